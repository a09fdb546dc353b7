"""How the lab finds PowerShell, and what it lets a session do."""

import re
from pathlib import Path

import pytest

from reconciler.adapters.hyperv.agent import MANIFEST
from reconciler.agent_contract import FUNCTIONS
from reconciler.errors import SettingsError
from reconciler.lab import processes
from reconciler.lab.launch import POWERSHELL, PYTHON, noted_engine
from reconciler.lab.powershell import session


def test_a_session_may_call_the_contract_and_nothing_else() -> None:
    text = session.session_configuration()
    entries = re.findall(r"^        (?:'(\S+)'|    Name = '(\S+)')$", text, re.MULTILINE)

    assert ["".join(pair) for pair in entries] == [function.name for function in FUNCTIONS]
    assert "LanguageMode = 'NoLanguage'" in text
    assert "SessionType = 'RestrictedRemoteServer'" in text
    assert f"'{MANIFEST}'" in text
    assert "VisibleCmdlets" not in text


def test_without_powershell_the_lab_says_so_and_stays_as_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(session.PWSH, str(tmp_path / "none"))

    with pytest.raises(SettingsError) as caught:
        processes.up(tmp_path, engine=POWERSHELL)

    assert "PWSH" in caught.value.hint
    assert noted_engine(tmp_path) == PYTHON
