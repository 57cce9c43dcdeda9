"""Everything that `make bench` measures, one page of docs each."""

import subprocess
import sys
from pathlib import Path

for script in ("speed.py", "accuracy.py"):
    subprocess.run([sys.executable, Path(__file__).with_name(script)], check=True)
