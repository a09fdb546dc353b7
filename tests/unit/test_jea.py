"""The files that make a JEA end point: of the contract, and taken by a real PowerShell."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.hyperv.session import AgentFailure, AgentSession, EndPoint
from reconciler.agent_contract import FUNCTIONS, GUID, AgentFunction, Field, Kind, Parameter
from reconciler.agent_contract.jea import (
    Access,
    flat_configuration,
    role_capability,
    session_configuration,
)
from reconciler.lab.powershell.engine import powershell_engine
from reconciler.lab.powershell.session import powershell_environment, required_pwsh
from reconciler.lab.wire.host import WireHost
from reconciler.model.names import HostName
from tests.lab_world import skip_without_powershell

PASSWORD = "Passw0rd!"  # noqa: S105
LOGIN = (False, "ntlm", "svc")
"""No TLS, and how who comes in."""
NEW = AgentFunction(
    "Get-ReconcilerNovelty",
    "A function that joins the contract.",
    (
        Parameter("VMId", Kind.STRING, "a machine", is_mandatory=False, pattern=GUID),
        Parameter(
            "Level", Kind.STRING, "how", is_mandatory=False, choices=("Application", "Crash")
        ),
        Parameter("Data", Kind.BYTES, "anything", is_mandatory=False),
    ),
    "Test.Novelty",
    (Field("Said", Kind.STRING),),
)
PLAIN = AgentFunction("Get-ReconcilerPlain", "Takes nothing.", (), "Test.Plain", NEW.fields)
VM = "6d1f0b52-8a53-4b7c-9c8e-3f5a1e0c4d01"
ODD = "D\u00d6M\\O\u2019Neil's $(x) \u201ctwo\u201d"
READ = """
$ErrorActionPreference = 'Stop'
Import-PowerShellDataFile -Path $env:DATA_FILE | ConvertTo-Json -Depth 8 -Compress
"""
REAL = """
$ErrorActionPreference = 'Stop'
$ours = Import-PowerShellDataFile -Path $env:DATA_FILE
$new = @{}
foreach ($key in $ours.Keys) { $new[$key] = $ours[$key] }
& $env:MAKER -Path $env:REAL_FILE @new
$theirs = Import-PowerShellDataFile -Path $env:REAL_FILE
foreach ($name in 'Author', 'CompanyName', 'Copyright') {
    if (-not $ours.ContainsKey($name)) { [void] $theirs.Remove($name) }
}
$theirs | ConvertTo-Json -Depth 8 -Compress
"""
MODULE = """
function Get-ReconcilerNovelty {
    [CmdletBinding()]
    param([string] $VMId, [string] $Level, [byte[]] $Data)
    [pscustomobject] @{ Said = "$VMId $Level $($Data.Length)" }
}
function Get-ReconcilerPlain {
    [CmdletBinding()]
    param()
    Get-Hidden
}
function Get-Hidden {
    [pscustomobject] @{ Said = 'plain' }
}
"""


def run(script: str, folder: Path, **env: str) -> Any:
    skip_without_powershell()
    done = subprocess.run(
        [str(required_pwsh()), "-NoLogo", "-NoProfile", "-Command", script],
        env=powershell_environment(folder, folder, "HV1") | env,
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def read(text: str, folder: Path) -> Any:
    """A data file as PowerShell reads it; nothing of it is run."""
    file = folder / "file.psd1"
    file.write_text(text, encoding="utf-8-sig")
    return run(READ, folder, DATA_FILE=str(file))


def names(data: Any) -> list[str]:
    return [each if isinstance(each, str) else each["Name"] for each in data["VisibleFunctions"]]


def test_a_role_makes_the_whole_contract_visible_and_nothing_else(tmp_path: Path) -> None:
    data = read(role_capability(FUNCTIONS), tmp_path)

    assert set(data) == {"GUID", "ModulesToImport", "VisibleFunctions"}
    assert data["ModulesToImport"] == "ReconcilerAgent"
    assert names(data) == [function.name for function in FUNCTIONS]


def test_each_parameter_of_the_contract_is_in_the_role_with_its_bounds(tmp_path: Path) -> None:
    data = read(role_capability(FUNCTIONS), tmp_path)
    entries = [each for each in data["VisibleFunctions"] if isinstance(each, dict)]
    told = {each["Name"]: each["Parameters"] for each in entries}

    for function in (each for each in FUNCTIONS if each.parameters):
        for parameter, found in zip(function.parameters, told[function.name], strict=True):
            assert found["Name"] == parameter.name
            assert found.get("ValidatePattern", "") == parameter.pattern
            choices = () if parameter.pattern else parameter.choices
            assert tuple(found.get("ValidateSet", ())) == choices


def test_a_function_that_joins_the_contract_is_in_all_files_without_a_further_edit(
    tmp_path: Path,
) -> None:
    more = (*FUNCTIONS, NEW)

    for text in (role_capability(more), flat_configuration(more, ["M"])):
        assert names(read(text, tmp_path))[-1] == NEW.name
    assert role_capability(more) != role_capability(FUNCTIONS)


def test_files_say_the_same_each_time_they_are_made() -> None:
    assert role_capability(FUNCTIONS) == role_capability(FUNCTIONS)
    assert session_configuration(Access((ODD,))) == session_configuration(Access((ODD,)))


@pytest.mark.parametrize(
    ("access", "expected"),
    [
        (Access(("D\\svc",)), {"RunAsVirtualAccount": True}),
        (
            Access(("D\\svc",), virtual_account_groups=("Hyper-V Administrators",)),
            {
                "RunAsVirtualAccount": True,
                "RunAsVirtualAccountGroups": ["Hyper-V Administrators"],
            },
        ),
        (
            Access(("D\\svc",), group_managed_account="D\\agent$", transcripts="C:\\T"),
            {"GroupManagedServiceAccount": "D\\agent$", "TranscriptDirectory": "C:\\T"},
        ),
        (
            Access(("D\\svc",), required_groups=("D\\a", "D\\b")),
            {"RunAsVirtualAccount": True, "RequiredGroups": {"And": ["D\\a", "D\\b"]}},
        ),
    ],
)
def test_an_end_point_runs_as_it_is_told(
    tmp_path: Path, access: Access, expected: dict[str, object]
) -> None:
    data = read(session_configuration(access), tmp_path)

    restricted = {
        "SchemaVersion": "2.0.0.0",
        "SessionType": "RestrictedRemoteServer",
        "LanguageMode": "NoLanguage",
        "RoleDefinitions": {"D\\svc": {"RoleCapabilities": ["ReconcilerAgent"]}},
    }
    assert {k: v for k, v in data.items() if k != "GUID"} == restricted | expected


def test_no_name_of_an_account_leaves_its_quotes(tmp_path: Path) -> None:
    access = Access((ODD,), transcripts="C:\\x'\n}; throw 'y'")

    data = read(session_configuration(access), tmp_path)

    assert list(data["RoleDefinitions"]) == [ODD]
    assert data["TranscriptDirectory"] == "C:\\x'\n}; throw 'y'"


@pytest.mark.parametrize(
    ("maker", "ending", "text"),
    [
        ("New-PSRoleCapabilityFile", "psrc", role_capability(FUNCTIONS)),
        (
            "New-PSSessionConfigurationFile",
            "pssc",
            session_configuration(
                Access(
                    ("D\\svc", ODD),
                    virtual_account_groups=("Hyper-V Administrators",),
                    required_groups=("D\\a",),
                    transcripts="C:\\T",
                )
            ),
        ),
        ("New-PSSessionConfigurationFile", "pssc", flat_configuration(FUNCTIONS, ["A", "B"])),
    ],
    ids=["role", "registered", "flat"],
)
def test_powershell_would_have_written_the_same(
    tmp_path: Path, maker: str, ending: str, text: str
) -> None:
    ours = read(text, tmp_path)
    theirs = run(
        REAL,
        tmp_path,
        DATA_FILE=str(tmp_path / "file.psd1"),
        REAL_FILE=str(tmp_path / f"real.{ending}"),
        MAKER=maker,
    )

    assert flattened(theirs) == flattened(ours)


def flattened(value: Any) -> Any:
    """A list of one is the same to PowerShell as the one."""
    if isinstance(value, dict):
        return {key: flattened(each) for key, each in value.items()}
    if isinstance(value, list):
        return flattened(value[0]) if len(value) == 1 else [flattened(each) for each in value]
    return value


@pytest.fixture
def session(tmp_path: Path) -> Iterator[AgentSession]:
    """A session that is restricted to the new function and the plain one."""
    skip_without_powershell()
    module = tmp_path / "Novelty.psm1"
    module.write_text(MODULE)
    configuration = tmp_path / "flat.pssc"
    configuration.write_text(flat_configuration((NEW, PLAIN), [str(module)]))
    words = [str(required_pwsh()), "-s", "-NoLogo", "-NoProfile", "-ConfigurationFile"]
    environment = powershell_environment(tmp_path, tmp_path, "HV1")
    engine = powershell_engine([*words, str(configuration)], environment)
    host = WireHost("HV1", {"svc": PASSWORD}, {"ReconcilerAgent": engine})
    end_point = EndPoint(HostName("hv1"), "127.0.0.1", host.listen(), *LOGIN)
    found = AgentSession(end_point, PASSWORD, {"a script": "$x = 1; $x"})
    yield found
    found.close()
    host.close()


def said(session: AgentSession, function: AgentFunction, **arguments: object) -> str:
    """What a call answers, or the id of its error."""
    try:
        (answer,) = session.call(function, arguments, deadline_s=60)
    except AgentFailure as failure:
        return failure.error_id
    return str(answer["Said"])


def test_the_engine_itself_refuses_what_the_role_does_not_allow(session: AgentSession) -> None:
    stranger = AgentFunction("Get-Hidden", "", (), "", ())
    script = AgentFunction("a script", "", (), "", ())
    more = AgentFunction(NEW.name, "", (*NEW.parameters, Parameter("X", Kind.INT, "")), "", ())
    invalid = "ParameterArgumentValidationError"

    assert said(session, NEW, VMId=VM, Level="Crash", Data=bytes(300_000)) == f"{VM} Crash 300000"
    assert said(session, PLAIN) == "plain"
    assert said(session, NEW, VMId=f"{VM}; x") == invalid
    assert said(session, NEW, VMId="") == invalid
    assert said(session, NEW, VMId=VM, Level="None") == invalid
    assert said(session, more, VMId=VM, X=1) == "NamedParameterNotFound"
    assert said(session, stranger) == "CommandNotFoundException"
    assert said(session, script) == "ScriptsNotAllowed"
