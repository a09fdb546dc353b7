"""The PowerShell module that Hyper-V hosts install: the agent's contract, and no decisions.

It is no Python: files for Windows PowerShell 5.1, found here to be copied to hosts and to be run by
the lab. See README.md beside this file.
"""

from pathlib import Path
from typing import Final

FOLDER: Final = Path(__file__).parent
MANIFEST: Final = FOLDER / "ReconcilerAgent.psd1"
