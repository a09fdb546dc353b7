"""The files of the agent that a lab host tells: those of the source, as they are."""

import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from reconciler.lab.describe import Answer

MODULE_FOLDER: Final = Path(__file__).parents[1].joinpath("adapters", "hyperv", "agent")
"""Files, and no import: the lab is a stranger to the adapters."""
_ENDINGS: Final = frozenset({".ps1", ".psd1", ".psm1"})


def module_files() -> Iterable[Answer]:
    """What Get-ReconcilerAgentFile answers where the module runs from its source."""
    for path in sorted(MODULE_FOLDER.rglob("*")):
        if path.suffix in _ENDINGS:
            data = path.read_bytes()
            yield {
                "Path": path.relative_to(MODULE_FOLDER).as_posix(),
                "Size": len(data),
                "Sha256": hashlib.sha256(data).hexdigest(),
            }
