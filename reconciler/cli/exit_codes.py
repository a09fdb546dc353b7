"""Exit codes, few and for scripts; the error's code says more."""

from enum import IntEnum

from reconciler.errors import (
    CatalogueLockedError,
    NotAllowedError,
    PlanChangedError,
    PolicyError,
    ReconcilerError,
)


class ExitCode(IntEnum):
    """How a command ended."""

    OK = 0
    FAILED = 1
    CHANGES_PENDING = 2
    """Only with --exit-code."""
    INVALID_POLICIES = 3
    BLOCKED_BY_GUARD = 4
    PLAN_IS_STALE = 5
    OBJECTIVE_MISSED = 6
    BUSY = 7
    PARTLY_DONE = 8
    USAGE = 64
    INTERRUPTED = 130


def exit_code_of(error: ReconcilerError) -> ExitCode:
    """The exit code of a command that this error ended."""
    match error:
        case PolicyError():
            return ExitCode.INVALID_POLICIES
        case NotAllowedError():
            return ExitCode.BLOCKED_BY_GUARD
        case PlanChangedError():
            return ExitCode.PLAN_IS_STALE
        case CatalogueLockedError():
            return ExitCode.BUSY
        case _:
            return ExitCode.FAILED
