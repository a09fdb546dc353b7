"""A machine as it is now, and not as it was planned for."""

from reconciler.errors import (
    ConsistencyRefusedError,
    CrashConsistencyUncertainError,
    MachineBusyError,
    PlanChangedError,
)
from reconciler.execute.patience import require_free
from reconciler.execute.workbench import Workbench
from reconciler.model.machine import VirtualMachine
from reconciler.model.protection import ConsistencyWish
from reconciler.plan.consistency import NoWay, Way, way_to_capture
from reconciler.plan.machine_states import must_wait
from reconciler.plan.replica_machines import uncertainty


def machine_now(bench: Workbench) -> VirtualMachine:
    """The machine of the job, looked at now.

    Raises:
        PlanChangedError: It is not what it was, or not where it was.
    """
    source = bench.source
    for machine in bench.host.machines((source.key.vm_id,)):
        if machine.key == source.key:
            return machine
    raise PlanChangedError(
        f"{source.machine_name} is no {source.key.role.value} machine of {source.host} any more",
        hint="it changed its role or moved; the next pass looks again",
    )


def way_now(bench: Workbench, wish: ConsistencyWish) -> Way:
    """How the machine can be captured now.

    Raises:
        CrashConsistencyUncertainError: A replica machine is not in a state to be captured.
        ConsistencyRefusedError: It cannot be captured as its policy wants.
        MachineBusyError: Something is going on with it that passes.
    """
    machine = machine_now(bench)
    require_certain(machine)
    require_free(machine)
    if (wait := must_wait(machine)) is not None:
        raise MachineBusyError(f"{machine.name}: {wait.reason}", hint=wait.hint)
    way = way_to_capture(machine, bench.host.facts().os_build, wish)
    if isinstance(way, NoWay):
        raise ConsistencyRefusedError(f"{machine.name}: {way.reason}", hint=way.hint)
    return way


def require_certain(machine: VirtualMachine) -> None:
    """See that the disks of a replica machine are crash-consistent.

    Raises:
        CrashConsistencyUncertainError: They may not be.
    """
    if (found := uncertainty(machine)) is not None:
        raise CrashConsistencyUncertainError(
            f"{machine.name}: {found.reason}", hint=found.hint, retry=found.retry, reason=found.code
        )
