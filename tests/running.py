"""`reconciler run` as a process of its own, and what it logs."""

import json
import signal
from collections.abc import Callable
from threading import Event, Thread

from tests.lab_world import World

FAST = ("--every", "0.5", "--retry-after", "1", "--grace", "30")
LONG_S = 90.0


class Running:
    """A loop in a process of its own, and the lines it logs."""

    def __init__(self, world: World, *words: str) -> None:
        self.process = world.cli_started("--log-format", "json", "run", *FAST, *words)
        self.lines: list[dict[str, object]] = []
        self._reader = Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            if line.startswith("{"):
                self.lines.append(json.loads(line))

    def said(self, event: str, **facts: object) -> bool:
        """Whether such a line was logged, before now or soon."""
        return self.until(lambda: self.count(event, **facts) > 0)

    def count(self, event: str, **facts: object) -> int:
        return sum(
            line["event"] == event and all(line.get(k) == v for k, v in facts.items())
            for line in list(self.lines)
        )

    def until(self, is_true: Callable[[], bool], wait_s: float = LONG_S) -> bool:
        """Whether it becomes true before long."""
        pause, waited = Event(), 0.0
        while not is_true():
            if waited > wait_s or self.process.poll() is not None:
                return is_true()
            pause.wait(0.4)
            waited += 0.4
        return True

    def end(self) -> int:
        self.process.send_signal(signal.SIGTERM)
        try:
            return self.process.wait(LONG_S)
        finally:
            self.kill()

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(LONG_S)
        self._reader.join(5)
        assert self.process.stderr is not None
        self.process.stderr.close()
