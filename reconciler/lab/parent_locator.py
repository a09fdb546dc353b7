"""How a child's file names its parent's, as Windows spells it."""

import os
from pathlib import Path, PureWindowsPath


def relative_path(parent: Path, child: Path) -> str:
    """The parent's path from the child's folder."""
    relative = str(PureWindowsPath(os.path.relpath(parent, child.parent)))
    return relative if relative.startswith("..") else f".\\{relative}"
