"""How numpy is loaded."""

import subprocess
import sys

import pytest

_THREADS = (
    "import os\n"
    "from reconciler.blocks.arrays import np\n"
    "np.zeros(1)\n"
    "print(len(os.listdir('/proc/self/task')))\n"
)


@pytest.mark.skipif(sys.platform != "linux", reason="only there threads are counted like this")
def test_numpy_starts_no_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENBLAS_NUM_THREADS", raising=False)
    done = subprocess.run(
        [sys.executable, "-c", _THREADS], check=True, capture_output=True, text=True, timeout=60
    )
    assert done.stdout.strip() == "1"
