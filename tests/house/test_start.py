"""What a pass that finds nothing to copy must not wait for."""

import subprocess
import sys
from pathlib import Path

_STEP = "from tests.benchmarks import engine_step; import sys; sys.exit(engine_step.main({!r}))"


def test_an_unchanged_disk_needs_no_numpy_and_no_pydantic(tmp_path: Path) -> None:
    folder = str(tmp_path)
    disk = f"{folder}/disk"
    _run(f"import pathlib; pathlib.Path({disk!r}).write_bytes(b'x' * 200_000)")
    _run(f"import pathlib; pathlib.Path({folder + '/store'!r}).mkdir()")
    _run(_STEP.format([folder, "create", "65536"]))
    _run(_STEP.format([folder, "capture", "first", "-", disk]))
    same = [folder, "capture", "same", "first", disk]
    loaded = _run(
        "import sys; from tests.benchmarks import engine_step\n"
        f"engine_step.main({same!r})\n"
        "print(*sorted({name.partition('.')[0] for name in sys.modules}))"
    )
    assert {"reconciler", "msgspec"} <= set(loaded.split())
    assert not {"numpy", "pydantic", "obspec", "sqlalchemy", "zstandard"} & set(loaded.split())


def _run(code: str) -> str:
    done = subprocess.run(
        [sys.executable, "-c", code], check=True, capture_output=True, text=True, timeout=60
    )
    return done.stdout
