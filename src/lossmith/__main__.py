"""`python -m lossmith` is `lossmith`."""

from lossmith.cli import main

main()
