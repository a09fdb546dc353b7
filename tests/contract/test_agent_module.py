"""The agent's PowerShell module as text: it keeps the contract, and Windows PowerShell 5.1 runs it.

The parser of PowerShell 7 reads it; nothing of it is run here.
"""

import json
import re
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.hyperv.agent import FOLDER
from reconciler.adapters.hyperv.install.deeds import DEEDS
from reconciler.agent_contract import FUNCTIONS, Kind, Parameter
from reconciler.lab.powershell.session import STAND_INS, required_pwsh
from tests.lab_world import skip_without_powershell

PARSE = Path(__file__).parents[1] / "powershell" / "parse.ps1"
REPLACED = STAND_INS / "ReplacedFunctions" / "ReplacedFunctions.psm1"
INSTALL = FOLDER.parent / "install"
LONGEST = 90
TYPES = {
    Kind.STRING: "[string]",
    Kind.STRINGS: "[string[]]",
    Kind.INT: "[int]",
    Kind.LONG: "[long]",
    Kind.BYTES: "[byte[]]",
}
LARGEST = {Kind.INT: 2**31 - 1, Kind.LONG: 2**63 - 1}
NEWER_THAN_5_1 = (
    "$x = $true ? 1 : 2",
    "Get-VM && Get-VHD",
    "$x = $null ?? 1",
    "$x ??= 1",
    "${x}?.Length",
    "1..3 | ForEach-Object -Parallel { $_ }",
    "ConvertFrom-Json -AsHashtable '{}'",
    "function f { clean { 1 } }",
    "Get-WmiObject -Class Win32_Volume",
    "Get-VM | Select-Object -First 1",
)


def parsed(files: Sequence[Path]) -> list[dict[str, Any]]:
    words = [str(required_pwsh()), "-NoLogo", "-NoProfile", "-File", str(PARSE)]
    done = subprocess.run(
        [*words, *map(str, files)], capture_output=True, text=True, check=True, timeout=120
    )
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


@pytest.fixture(scope="module")
def module() -> Mapping[str, dict[str, Any]]:
    """Every file of the module, by name, as the parser sees it."""
    skip_without_powershell()
    files = sorted([*FOLDER.rglob("*.ps1"), *FOLDER.glob("*.ps[md]1")])
    return {Path(each["File"]).name: each for each in parsed(files)}


@pytest.fixture(scope="module")
def functions(module: Mapping[str, dict[str, Any]]) -> Mapping[str, dict[str, Any]]:
    return {f["Name"]: f for file in module.values() for f in file["Functions"]}


def expected(parameter: Parameter) -> set[str]:
    """The attributes of a parameter that the contract asks for."""
    found = {TYPES[parameter.kind]}
    found.add(f"[Parameter({'Mandatory = $true' if parameter.is_mandatory else ''})]")
    if parameter.choices:
        found.add(f"[ValidateSet({', '.join(repr(word) for word in parameter.choices)})]")
    if parameter.pattern:
        found.add(f"[ValidatePattern('{parameter.pattern}')]")
    low, high = parameter.minimum, parameter.maximum
    if parameter.kind in LARGEST and not (low is high is None):
        found.add(f"[ValidateRange({low}, {LARGEST[parameter.kind] if high is None else high})]")
    elif high is not None:
        bound = "Length" if parameter.kind is Kind.STRING else "Count"
        found.add(f"[Validate{bound}({low or 0}, {high})]")
    return found


def test_each_function_of_the_contract_is_a_file_with_its_parameters(
    functions: Mapping[str, dict[str, Any]],
) -> None:
    for function in FUNCTIONS:
        found = functions[function.name]
        assert (FOLDER / "Public" / f"{function.name}.ps1").is_file()
        assert found["OutputType"] == function.output_type
        assert [p["Name"] for p in found["Parameters"]] == [p.name for p in function.parameters]
        for parameter, told in zip(function.parameters, found["Parameters"], strict=True):
            assert set(told["Attributes"]) == expected(parameter), function.name


def test_the_module_exports_the_contract_and_nothing_else() -> None:
    text = (FOLDER / "ReconcilerAgent.psd1").read_text()
    exported = re.search(r"FunctionsToExport = @\((.*?)\)", text, re.DOTALL)

    assert exported is not None
    assert re.findall(r"'(.+?)'", exported[1]) == [function.name for function in FUNCTIONS]


def test_every_error_id_is_one_of_the_contract(functions: Mapping[str, dict[str, Any]]) -> None:
    told = {word for function in functions.values() for word in function["ErrorIds"]}

    assert told == {word for function in FUNCTIONS for word in function.error_ids}


def test_windows_powershell_5_1_can_run_it(module: Mapping[str, dict[str, Any]]) -> None:
    assert {name: file["Complaints"] for name, file in module.items() if file["Complaints"]} == {}


def test_windows_powershell_5_1_can_run_what_installs_it() -> None:
    skip_without_powershell()
    files = sorted(INSTALL.glob("*.ps1"))

    assert {Path(f["File"]).stem: f["Complaints"] for f in parsed(files)} == {
        deed.name: [] for deed in DEEDS
    }
    assert [file.name for file in files if not file.read_bytes().isascii()] == []


def test_what_5_1_lacks_is_refused(tmp_path: Path) -> None:
    skip_without_powershell()
    files = []
    for number, text in enumerate(NEWER_THAN_5_1):
        files.append(tmp_path / f"{number}.ps1")
        files[-1].write_text(text + "\n")

    found = parsed(files)

    assert len(found) == len(NEWER_THAN_5_1)
    assert [Path(f["File"]).stem for f in found if not f["Complaints"]] == []


def test_a_file_has_one_function_of_its_name(module: Mapping[str, dict[str, Any]]) -> None:
    for name, file in module.items():
        if name.endswith(".ps1"):
            assert [f["Name"] for f in file["Functions"]] == [name.removesuffix(".ps1")]
            lines = Path(file["File"]).read_text().count("\n")
            assert lines <= LONGEST, f"{name} has {lines} lines"


def test_every_function_is_called(functions: Mapping[str, dict[str, Any]]) -> None:
    called = {name for function in functions.values() for name in function["Calls"]}
    public = {function.name for function in FUNCTIONS}

    assert set(functions) - called - public == set()


def test_it_is_strict_and_plain_ascii() -> None:
    assert "Set-StrictMode -Version Latest" in (FOLDER / "ReconcilerAgent.psm1").read_text()
    # Windows PowerShell 5.1 reads a file without a mark at its beginning in the host's code page.
    for file in [*FOLDER.rglob("*.ps1"), *FOLDER.glob("*.ps[md]1")]:
        assert file.read_bytes().isascii(), file.name


def test_the_readme_of_the_module_lists_what_is_replaced_in_the_lab() -> None:
    replaced = set(re.findall(r"function script:([\w-]+)", REPLACED.read_text()))
    readme = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = set(re.findall(r"^\| `([\w-]+)` \|", readme, re.MULTILINE))

    assert replaced
    assert listed == replaced
