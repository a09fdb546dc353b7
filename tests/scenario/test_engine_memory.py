"""The engine's memory does not follow the disk."""

import json
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

GIB = 1 << 30


@pytest.mark.skipif(not Path("/proc/self/smaps").exists(), reason="Linux tells what is anonymous")
def test_a_first_replica_of_four_gibibytes_takes_a_quarter_of_one(tmp_path: Path) -> None:
    with TemporaryDirectory(dir=tmp_path) as name:  # half a gibibyte, so it goes at once
        root = Path(name) / "store"
        root.mkdir()
        command = [sys.executable, "-m", "tests.large_replica"]
        words = [f"{root}", f"{Path(name) / 'cache'}", f"{4 * GIB}"]
        told = subprocess.run([*command, *words], check=True, capture_output=True)

    facts = json.loads(told.stdout)
    assert facts["bytes_read"] > 2.5 * GIB
    assert facts["bytes_stored"] > 0.3 * GIB
    most = 250_000_000 + 2 * facts["blocks_new"]
    assert facts["anonymous"] + facts["mapped"] < most, facts
