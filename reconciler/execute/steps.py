"""Which step carries out which action, and what that is called."""

from collections.abc import Callable, Mapping
from typing import Final, assert_never

from reconciler.execute import (
    consistency_check,
    create_replica,
    delete_points,
    expire_points,
    express_full_backup,
    recover_disks,
    remove_leftovers,
)
from reconciler.execute.meter import Meter
from reconciler.execute.outcome import Outcome
from reconciler.execute.workbench import Tools, Workbench
from reconciler.plan.actions import (
    Action,
    Capture,
    ConsistencyCheck,
    CreateReplica,
    DeletePoints,
    ExpirePoints,
    ExpressFullBackup,
    RecoverDisks,
    RemoveLeftovers,
)

KINDS: Final[Mapping[type[Action], str]] = {
    CreateReplica: "create_replica",
    ExpressFullBackup: "express_full_backup",
    ConsistencyCheck: "consistency_check",
    RemoveLeftovers: "remove_leftovers",
    ExpirePoints: "expire_points",
    DeletePoints: "delete_points",
    RecoverDisks: "recover_disks",
}


def step(action: Action, tools: Tools, meter: Meter, bench: Callable[[], Workbench]) -> Outcome:
    """Do it. The bench has a session with a host, so it is asked for only where one is needed."""
    match action:
        case ExpirePoints():
            return expire_points.run(action, tools)
        case DeletePoints():
            return delete_points.run(action, tools)
        case RecoverDisks():
            return recover_disks.run(action, tools, meter)
        case _:
            return _with_host(action, bench())


def _with_host(action: Capture | RemoveLeftovers, bench: Workbench) -> Outcome:
    match action:
        case CreateReplica():
            return create_replica.run(action, bench)
        case ExpressFullBackup():
            return express_full_backup.run(action, bench)
        case ConsistencyCheck():
            return consistency_check.run(action, bench)
        case RemoveLeftovers():
            return remove_leftovers.run(action, bench)
        case _:
            assert_never(action)
