import os
import signal
import subprocess
import sys
from datetime import datetime
from pathlib import Path

import pytest

from reconciler.errors import CatalogueError, CatalogueLockedError
from reconciler.record.lead import FILE_NAME, Lead, leader

HOLDER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from reconciler.record.lead import Lead
lead = Lead.take(Path(sys.argv[1]), datetime(2026, 3, 1, tzinfo=UTC))
print("taken", flush=True)
sys.stdin.read()
"""


def test_a_second_one_is_told_who_leads(tmp_path: Path, now: datetime) -> None:
    with Lead.take(tmp_path, now), pytest.raises(CatalogueLockedError) as caught:
        Lead.take(tmp_path, now)

    message = caught.value.message
    assert f"process {os.getpid()} on " in message
    assert "since 2026-03-01T12:00:00+00:00" in message
    assert "stop it" in caught.value.hint


def test_the_lead_can_be_taken_again_after_its_release(tmp_path: Path, now: datetime) -> None:
    first = Lead.take(tmp_path, now)
    assert leader(tmp_path) == first.leader
    first.release()
    first.release()

    assert leader(tmp_path) is None
    Lead.take(tmp_path, now).release()


def test_nobody_leads_a_catalogue_that_never_had_a_leader(tmp_path: Path) -> None:
    assert leader(tmp_path) is None


@pytest.mark.skipif(sys.platform == "win32", reason="needs SIGKILL")
def test_a_killed_leader_leads_no_more(tmp_path: Path, now: datetime) -> None:
    command = [sys.executable, "-c", HOLDER, str(tmp_path)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, text=True) as child:
        assert child.stdout is not None
        assert child.stdout.readline() == "taken\n"
        with pytest.raises(CatalogueLockedError, match=f"process {child.pid} "):
            Lead.take(tmp_path, now)
        os.kill(child.pid, signal.SIGKILL)
        child.wait(10)

        assert leader(tmp_path) is None
        Lead.take(tmp_path, now).release()


@pytest.mark.parametrize("content", [b"", b"\xff\x00", b"[]", b'{"pid": "x"}', b"{}"])
def test_senseless_text_in_the_file_decides_nothing(
    tmp_path: Path, now: datetime, content: bytes
) -> None:
    (tmp_path / FILE_NAME).write_bytes(content)

    with Lead.take(tmp_path, now):
        (tmp_path / FILE_NAME).write_bytes(content)
        with pytest.raises(CatalogueLockedError, match="another process"):
            Lead.take(tmp_path, now)


def test_a_state_folder_that_is_missing_is_said(tmp_path: Path, now: datetime) -> None:
    with pytest.raises(CatalogueError, match="nowhere") as caught:
        Lead.take(tmp_path / "nowhere", now)

    assert "state folder" in caught.value.hint
