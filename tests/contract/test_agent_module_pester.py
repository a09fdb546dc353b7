"""Pester's tests of the module's own logic, each of them told by name."""

import os
import subprocess
import tempfile
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from reconciler.adapters.hyperv.agent import MANIFEST
from reconciler.lab.powershell.session import powershell_environment, required_pwsh
from tests.lab_world import skip_without_powershell

TESTS = Path(__file__).parents[1] / "powershell" / "ReconcilerAgent.Tests.ps1"
LEAST = 40
RUN = """
if (-not (Get-Module -ListAvailable -Name Pester)) { exit 42 }
$wanted = New-PesterConfiguration
$wanted.Run.Path = $env:PESTER_TESTS
$wanted.Run.Exit = $false
$wanted.TestResult.Enabled = $true
$wanted.TestResult.OutputPath = $env:PESTER_REPORT
$wanted.TestResult.OutputFormat = 'JUnitXml'
$wanted.Output.Verbosity = 'None'
Invoke-Pester -Configuration $wanted
"""
NO_PESTER = 42


def test_pester_finds_the_logic_of_the_module_right(tmp_path: Path) -> None:
    skip_without_powershell()
    report = tmp_path / "report.xml"
    environment = powershell_environment(tmp_path, tmp_path, "HV1") | {
        "RECONCILER_AGENT": str(MANIFEST),
        "PESTER_TESTS": str(TESTS),
        "PESTER_REPORT": str(report),
        "TMPDIR": os.environ.get("TMPDIR", tempfile.gettempdir()),
    }
    done = subprocess.run(
        [str(required_pwsh()), "-NoLogo", "-NoProfile", "-Command", RUN],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    if done.returncode == NO_PESTER:
        pytest.skip("no PowerShell: it has no Pester")
    assert report.exists(), done.stdout + done.stderr
    cases = list(ET.parse(report).iter("testcase"))  # noqa: S314 (our own report)
    failed = {
        str(case.get("name")): (failure.get("message") or "")
        for case in cases
        if (failure := case.find("failure")) is not None
    }

    assert failed == {}
    assert len(cases) >= LEAST
