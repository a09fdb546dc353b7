"""What of hosts is asked seldom, and kept between looks."""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from time import monotonic
from typing import Final

from reconciler.model.machine import HostReport
from reconciler.model.names import HostName

FRESH_S: Final = 3600.0
"""Prerequisites change by an administrator's hand, a few times in the life of a host."""


@dataclass
class Seldom:
    """The prerequisites that hosts told last. A new process asks at its first look."""

    fresh_s: float = FRESH_S
    clock: Callable[[], float] = monotonic
    _asked_at: dict[HostName, float] = field(default_factory=dict)
    _kept: dict[HostName, HostReport] = field(default_factory=dict)

    def is_due(self, host: HostName) -> bool:
        """Whether a host is to be asked again; from now on it counts as asked."""
        now, last = self.clock(), self._asked_at.get(host)
        if last is not None and now - last < self.fresh_s:
            return False
        self._asked_at[host] = now
        return True

    def completed(self, report: HostReport) -> HostReport:
        """The report with what was told last, when it has nothing newer."""
        host = report.facts.name
        if report.requirements is not None:
            self._kept[host] = replace(report, machines=(), checkpoints=(), reference_points=())
            return report
        kept = self._kept.get(host)
        if kept is None:
            return report
        return replace(report, requirements=kept.requirements, file_servers=kept.file_servers)
