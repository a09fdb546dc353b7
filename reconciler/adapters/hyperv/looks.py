"""What a host is asked when nothing is to be changed: its machines, its cluster, what happened."""

from collections.abc import Sequence
from typing import Final

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import decode_configuration, decode_host, decode_machine
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.errors import HostRefusedError
from reconciler.model.configuration import ConfigurationFile
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    HostEvent,
    HostFacts,
    HostReport,
    HostVolume,
    ReferencePoint,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, VmId

EVENTS_AT_ONCE: Final = 1000
MAX_EVENTS: Final = 100_000
"""Of these few kinds no host has written so many."""


class Looks:
    """Asks one host; for one thread."""

    def __init__(self, calls: AgentCalls) -> None:
        self._calls = calls
        self._host = calls.host

    def report(self, after_event: int) -> HostReport:
        """Everything, in one look: one call each, and one for the cluster where there is one."""
        facts = self.facts()
        events, has_new_log = self._events_since(after_event)
        return HostReport(
            facts=facts,
            machines=self.machines(()),
            checkpoints=self.checkpoints(()),
            reference_points=self.reference_points(()),
            cluster=self.cluster() if facts.cluster else None,
            volumes=self._volumes(),
            events=events,
            has_new_log=has_new_log,
        )

    def facts(self) -> HostFacts:
        """The host and its agent.

        Raises:
            HostRefusedError: The agent speaks another version of the contract.
        """
        facts = decode_host.facts(*self._calls.one(contract.GET_HOST))
        if facts.contract_version != contract.CONTRACT_VERSION:
            raise HostRefusedError(
                f"the agent on {self._host} speaks contract {facts.contract_version}, "
                f"this reconciler speaks {contract.CONTRACT_VERSION}",
                hint=f"install the agent of this version on {self._host}",
                host=self._host,
            )
        return facts

    def machines(self, vm_ids: Sequence[VmId]) -> tuple[VirtualMachine, ...]:
        """All machines, or some; planned ones of a migration are left out."""
        decoder, answers = self._calls.all(contract.GET_MACHINE, **_only(vm_ids))
        found = (decode_machine.machine(decoder, answer) for answer in answers)
        return tuple(machine for machine in found if machine is not None)

    def checkpoints(self, vm_ids: Sequence[VmId]) -> tuple[Checkpoint, ...]:
        """All recovery checkpoints, ours and others'."""
        decoder, answers = self._calls.all(contract.GET_CHECKPOINT, **_only(vm_ids))
        return tuple(decode_machine.checkpoint(decoder, answer) for answer in answers)

    def reference_points(self, vm_ids: Sequence[VmId]) -> tuple[ReferencePoint, ...]:
        """All reference points, ours and others'."""
        decoder, answers = self._calls.all(contract.GET_REFERENCE_POINT, **_only(vm_ids))
        return tuple(decode_machine.reference_point(decoder, answer) for answer in answers)

    def configuration_files(
        self, vm_id: VmId, checkpoint: CheckpointId
    ) -> tuple[ConfigurationFile, ...]:
        """Those that a checkpoint keeps."""
        decoder, answers = self._calls.all(
            contract.GET_CONFIGURATION_FILE, VMId=vm_id, CheckpointId=checkpoint
        )
        return decode_configuration.configuration_files(decoder, answers)

    def cluster(self) -> ClusterFacts | None:
        """The cluster that the host is a node of; None for a stand-alone host."""
        decoder, answers = self._calls.all(contract.GET_CLUSTER)
        if len(answers) > 1:
            raise decoder.broken(f"{len(answers)} clusters of one node")
        return decode_host.cluster(decoder, answers[0]) if answers else None

    def _volumes(self) -> tuple[HostVolume, ...]:
        decoder, answers = self._calls.all(contract.GET_VOLUME)
        return tuple(decode_host.volume(decoder, answer) for answer in answers)

    def _events_since(self, noted: int) -> tuple[tuple[HostEvent, ...], bool]:
        """Events after the one that was noted last, and whether the log begins anew.

        In a log that was cleared, records are counted from one again, and what comes after the old
        number would never be seen. So the noted record itself is asked for, too: where it is gone,
        and there are earlier ones, these are new. (An old record that made way for new ones has
        none before it.)
        """
        if noted == 0:
            return self._events(0), False
        found = self._events(noted - 1)
        if found and found[0].record_id == noted:
            return found[1:], False
        every = self._events(0)
        is_new = bool(every) and every[0].record_id < noted
        return (every if is_new else found), is_new

    def _events(self, after: int) -> tuple[HostEvent, ...]:
        """Events after that record, to the last: whoever has seen these has seen all."""
        found: list[HostEvent] = []
        while True:
            decoder, answers = self._calls.all(
                contract.GET_EVENT, AfterRecordId=after, MaxEvents=EVENTS_AT_ONCE
            )
            for answer in answers:
                event = decode_host.event(decoder, answer)
                if event.record_id <= after:
                    raise decoder.broken(f"record {event.record_id} after record {after}")
                after = event.record_id
                found.append(event)
            if len(answers) < EVENTS_AT_ONCE:
                return tuple(found)
            if len(found) >= MAX_EVENTS:
                raise decoder.broken(f"more than {MAX_EVENTS} events")


def _only(vm_ids: Sequence[VmId]) -> dict[str, object]:
    return {"VMId": list(vm_ids)} if vm_ids else {}
