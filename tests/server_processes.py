"""Programs that tests talk to: started, waited for, and ended with whoever started them."""

import socket
import subprocess
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Mapping
from pathlib import Path

START_S = 30.0
UNTIL_INPUT_ENDS = '"$@" </dev/null & child=$!; cat >/dev/null; kill $child; wait $child'


class Process:
    """A program that runs until it is closed, or until we are no more."""

    def __init__(self, *command: str | Path, log: Path) -> None:
        with log.open("wb") as output:
            self._shell = subprocess.Popen(
                ["sh", "-c", UNTIL_INPUT_ENDS, "sh", *map(str, command)],
                stdin=subprocess.PIPE,
                stdout=output,
                stderr=output,
            )

    def close(self) -> None:
        assert self._shell.stdin is not None
        self._shell.stdin.close()
        try:
            self._shell.wait(10)
        except subprocess.TimeoutExpired:
            self._shell.kill()
            self._shell.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def await_answer(url: str, log: Path) -> None:
    """Wait until something answers over HTTP, whatever it says."""
    end = time.monotonic() + START_S
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 (ours)
                return
        except urllib.error.HTTPError as answer:
            answer.close()
            return
        except OSError:
            threading.Event().wait(0.1)
    raise AssertionError(f"{url} never answered: {log.read_text(errors='replace')[-2000:]}")


def ask(method: str, url: str, headers: Mapping[str, str]) -> None:
    nothing = {"Content-Length": "0"}
    request = urllib.request.Request(url, None, {**headers, **nothing}, method=method)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30):  # noqa: S310 (as above)
        pass
