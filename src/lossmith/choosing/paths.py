"""Where a file is to be written: asked before the work, not after it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from lossmith.choosing.errors import ChoiceError, quoted

REPORTS = (".html", ".htm", "")
DRAWN = (".png", ".svg")


def check_path(
    path: Path, what: str, example: str, *, endings: Sequence[str] = (), read: Sequence[Path] = ()
) -> None:
    """Raises ChoiceError where no file can be written, or one that is `read` would be written over.

    And where the name's ending promises what the file will not be: a PDF, say.
    """
    if path.is_dir():
        raise ChoiceError(f"{quoted(path, 200)} is a folder; name a file such as {example}")
    if not path.parent.is_dir():
        raise ChoiceError(f"no folder {quoted(path.parent, 200)} for the {what}")
    if not os.access(path if path.exists() else path.parent, os.W_OK):
        raise ChoiceError(f"the {what} cannot be written to {quoted(path, 200)}: permission denied")
    if any(path.exists() and given.exists() and path.samefile(given) for given in read):
        raise ChoiceError(f"the {what} would be written over {quoted(path, 200)}, which is read: name another file")
    if endings and path.suffix.lower() not in endings:
        kinds = " or ".join(filter(None, endings))
        raise ChoiceError(f"cannot write {path.name}: the {what} needs the name of a {kinds} file, such as {example}")
