"""Where PowerShell is, and how a shell of a lab host is started: restricted as JEA restricts it."""

import os
import shutil
from pathlib import Path
from typing import Final

from reconciler.agent_contract import FUNCTIONS
from reconciler.agent_contract.jea import flat_configuration
from reconciler.errors import SettingsError
from reconciler.lab.files import replace_file
from reconciler.lab.power import computer_name
from reconciler.lab.powershell.engine import powershell_engine
from reconciler.lab.wire.engine import EngineFactory

PWSH: Final = "PWSH"
"""Environment variable that names PowerShell 7; without it, the PATH is searched."""
_MANIFEST: Final = (
    Path(__file__).parents[2].joinpath("adapters", "hyperv", "agent", "ReconcilerAgent.psd1")
)
"""A file, and no import: the lab is a stranger to the adapters."""
STAND_INS: Final = Path(__file__).parent / "stand_ins"
REPLACED: Final = STAND_INS / "ReplacedFunctions" / "ReplacedFunctions.psm1"


def find_pwsh() -> Path | None:
    """PowerShell 7, if this computer has it."""
    found = shutil.which(os.environ.get(PWSH) or "pwsh")
    return Path(found).absolute() if found else None


def required_pwsh() -> Path:
    """PowerShell 7.

    Raises:
        SettingsError: It is not there.
    """
    found = find_pwsh()
    if found is None:
        raise SettingsError(
            f"PowerShell 7 is not here: no {os.environ.get(PWSH) or 'pwsh on the PATH'}",
            hint=f"install PowerShell 7, or name its program in {PWSH}; or use --engine python",
        )
    return found


def agent_shells(lab: Path, host: str) -> EngineFactory:
    """Engines that run the agent's module over the state of a lab host.

    Raises:
        SettingsError: There is no PowerShell.
    """
    folder = (lab / host / "powershell").resolve()
    folder.mkdir(exist_ok=True)
    configuration = folder / "ReconcilerAgent.pssc"
    replace_file(configuration, session_configuration().encode())
    pwsh = required_pwsh()
    command = [str(pwsh), "-s", "-NoLogo", "-NoProfile", "-ConfigurationFile", str(configuration)]
    environment = powershell_environment(folder, (lab / host).resolve(), computer_name(host))
    return powershell_engine(command, environment)


def powershell_environment(folder: Path, host_folder: Path, computer: str) -> dict[str, str]:
    """What a PowerShell of a lab host knows of its surroundings, and no more."""
    return {
        "PATH": os.environ.get("PATH", ""),
        "HOME": str(folder),
        "PSModulePath": str(STAND_INS),
        "COMPUTERNAME": computer,
        "ProgramData": str(folder),
        "RECONCILER_LAB_DOOR": str(host_folder / "control.json"),
        "POWERSHELL_TELEMETRY_OPTOUT": "1",
        "POWERSHELL_UPDATECHECK": "Off",
        "TERM": "dumb",
    }


def session_configuration() -> str:
    """The text of the session configuration, from the agent's contract.

    Role definitions are refused on standard streams, so what a role capability would make visible
    is here.
    """
    return flat_configuration(FUNCTIONS, [str(_MANIFEST), str(REPLACED)])
