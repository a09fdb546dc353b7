"""What became of one action."""

from dataclasses import dataclass, field
from enum import StrEnum

from reconciler.model.names import JobId
from reconciler.plan.actions import Action


class Verdict(StrEnum):
    """How an action ended."""

    DONE = "done"
    VOID = "void"
    """The world had changed, and nothing needed to be done any more."""
    FAILED = "failed"
    SKIPPED = "skipped"
    """Not tried, because of what came before."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step did.

    Units: bytes. `bytes_read` is what was read of the machine's disks.
    """

    bytes_read: int = 0
    bytes_stored: int = 0
    bytes_written: int = 0
    is_void: bool = False
    """The world had changed, and nothing needed to be done any more."""
    is_undone: bool = False
    """A dead job was undone: it will never have done what it promised."""
    files: tuple[str, ...] = ()
    details: dict[str, object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Result:
    """One action, how it ended, and why."""

    action: Action
    verdict: Verdict
    outcome: Outcome = field(default_factory=Outcome)
    job: JobId | None = None
    error_code: str = ""
    message: str = ""
    hint: str = ""
