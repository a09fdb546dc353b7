"""Each example runs as its README says it does."""

import os
import subprocess
import sys
from pathlib import Path

EXAMPLES = Path(__file__).parents[2] / "examples"


def test_the_demo_proves_what_it_says_within_its_last_line() -> None:
    done = subprocess.run(
        [sys.executable, EXAMPLES / "01-first-backup" / "demo.py"],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
        env={**os.environ, "RECONCILER_LOG_FORMAT": "json"},
    )

    assert done.returncode == 0, done.stderr[-3000:]
    last = done.stdout.strip().splitlines()[-1]
    assert last.startswith("PROVEN in ")
    assert "6 recovered disks equal their shadows" in last
