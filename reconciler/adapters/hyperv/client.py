"""The port `HostSession`, answered by the protection agent of a real or lab host."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from reconciler import agent_contract as contract
from reconciler.adapters.file_servers import FileServers
from reconciler.adapters.host_shares import HostShares
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.decode import broken_contract
from reconciler.adapters.hyperv.host_file import HostFile
from reconciler.adapters.hyperv.looks import Looks
from reconciler.adapters.hyperv.requirements import with_requirements_of
from reconciler.agent_contract import AgentFunction, OperationState
from reconciler.errors import DiskNotSupportedError, HostRefusedError, ItemNotFoundError
from reconciler.model.configuration import ConfigurationFile
from reconciler.model.machine import (
    Checkpoint,
    ClusterFacts,
    HostFacts,
    HostReport,
    ReferencePoint,
    VirtualMachine,
)
from reconciler.model.names import CheckpointId, ReferencePointId, RequestId, VmId
from reconciler.model.protection import Consistency
from reconciler.model.ranges import ByteRange, clipped, merged
from reconciler.model.unc import unc_path
from reconciler.ports import RandomAccess

CHANGES_PIECE_BYTES: Final = 64 << 30
MAX_PIECES: Final = 100_000
MAX_CHANGES: Final = 1_000_000
"""How many extents of one disk are held before they are merged."""

_CONSISTENCY_LEVEL = {
    Consistency.APPLICATION: "Application",
    Consistency.FILE_SYSTEM: "Application",  # Linux freezes its file systems at this level
    Consistency.CRASH: "Crash",
    Consistency.OFFLINE: "Crash",
}


class HyperVHost:
    """One session with one host, for one thread."""

    def __init__(
        self,
        calls: AgentCalls,
        file_servers: FileServers | None = None,
        shares: HostShares | None = None,
    ) -> None:
        """Join a host's agent, the file servers of its machines' disks, and its own shares."""
        self._calls = calls
        self._host = calls.host
        self._looks = Looks(calls)
        self._file_servers = file_servers or FileServers({})
        self._shares = shares

    def close(self) -> None:
        """End the session; never raises."""
        self._file_servers.close()
        if self._shares is not None:
            self._shares.close()
        self._calls.session.close()

    # --- observation

    def facts(self) -> HostFacts:
        """The host and its agent."""
        return self._looks.facts()

    def machines(self, vm_ids: Sequence[VmId] = ()) -> Sequence[VirtualMachine]:
        """All machines, or some; planned ones of a migration are left out."""
        return self._looks.machines(vm_ids)

    def cluster(self) -> ClusterFacts | None:
        """The cluster that the host is a node of, as it sees it; None for a stand-alone host."""
        return self._looks.cluster()

    def checkpoints(self, vm_ids: Sequence[VmId] = ()) -> Sequence[Checkpoint]:
        """All recovery checkpoints, ours and others'."""
        return self._looks.checkpoints(vm_ids)

    def reference_points(self, vm_ids: Sequence[VmId] = ()) -> Sequence[ReferencePoint]:
        """All reference points, ours and others'."""
        return self._looks.reference_points(vm_ids)

    def report(self, after_event: int = 0, *, with_requirements: bool = False) -> HostReport:
        """All of the above, its cluster, volumes and events after that record, in one look."""
        found = self._looks.report(after_event)
        if not with_requirements:
            return found
        return with_requirements_of(found, self._calls, self._file_servers)

    def configuration_files(
        self, vm_id: VmId, checkpoint: CheckpointId
    ) -> Sequence[ConfigurationFile]:
        """The configuration files that a checkpoint keeps."""
        return self._looks.configuration_files(vm_id, checkpoint)

    def configuration_bytes(self, file: ConfigurationFile) -> bytes:
        """All of a configuration file, by the agent: shares are for what is large."""
        if not file.size_bytes:
            return b""
        (data,) = HostFile(self._calls, file.path).read([ByteRange(0, file.size_bytes)])
        return data

    # --- operations

    def take_checkpoint(
        self, vm_id: VmId, consistency: Consistency, name: str, request_id: RequestId
    ) -> Checkpoint:
        """Take a recovery checkpoint and wait for it."""
        ended = self._calls.operate(
            contract.START_CHECKPOINT,
            request_id,
            VMId=vm_id,
            ConsistencyLevel=_CONSISTENCY_LEVEL[consistency],
            ElementName=name,
        )
        for checkpoint in self.checkpoints((vm_id,)):
            if checkpoint.id == str(ended["CheckpointId"]).lower():
                has_warnings = ended["State"] == OperationState.COMPLETED_WITH_WARNINGS.value
                return self._usable(replace(checkpoint, has_warnings=has_warnings))
        raise broken_contract(self._host, contract.GET_CHECKPOINT.name, "the new one is missing")

    def _usable(self, checkpoint: Checkpoint) -> Checkpoint:
        """The checkpoint, if all its disks can be backed up.

        Raises:
            DiskNotSupportedError: One cannot.
        """
        if checkpoint.faults:
            raise DiskNotSupportedError(
                f"{self._host}: a disk of the checkpoint cannot be backed up: "
                f"{'; '.join(checkpoint.faults)}",
                hint="repair or convert the disk; the next pass tries again",
            )
        return checkpoint

    def convert_to_reference_point(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> ReferencePoint:
        """Turn a checkpoint into a reference point and wait for it."""
        ended = self._calls.operate(
            contract.START_CONVERSION, request_id, VMId=vm_id, CheckpointId=checkpoint
        )
        made = self._reference_point(vm_id, ended["ReferencePointId"])
        if made is None:
            raise broken_contract(
                self._host, contract.GET_REFERENCE_POINT.name, "the new one is missing"
            )
        return made

    def converted(self, vm_id: VmId, request_id: RequestId) -> ReferencePoint | None:
        """What an earlier conversion with this request id made; None if the host knows of none."""
        made = self.conversion(request_id)
        return None if made is None else self._reference_point(vm_id, made)

    def conversion(self, request_id: RequestId) -> ReferencePointId | None:
        """The id of what it made, from the host's journal; its machine may have moved away."""
        ended = self._calls.ended(request_id)
        if ended is None or OperationState(str(ended["State"])) not in contract.SUCCEEDED:
            return None
        return ReferencePointId(str(ended["ReferencePointId"]))

    def save_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Save a running machine and wait until it is; one that is saved already stays so."""
        self._change_state(vm_id, "Saved", request_id)

    def resume_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Let a saved machine run on and wait until it does; one that runs already goes on."""
        self._change_state(vm_id, "Running", request_id)

    def await_operation(self, request_id: RequestId) -> bool:
        """Wait for the end of what was begun with this request id; False if the host knows none."""
        return self._calls.ended(request_id) is not None

    def _change_state(self, vm_id: VmId, target: str, request_id: RequestId) -> None:
        self._calls.operate(contract.START_STATE_CHANGE, request_id, VMId=vm_id, TargetState=target)

    def remove_checkpoint(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> None:
        """Remove a checkpoint and wait for it; one that is gone already is no error."""
        self._remove(
            contract.START_CHECKPOINT_REMOVAL, request_id, VMId=vm_id, CheckpointId=checkpoint
        )

    def remove_reference_point(
        self, vm_id: VmId, reference_point: ReferencePointId, request_id: RequestId
    ) -> None:
        """Remove a reference point and wait for it; one that is gone already is no error."""
        self._remove(
            contract.START_REFERENCE_POINT_REMOVAL,
            request_id,
            VMId=vm_id,
            ReferencePointId=reference_point,
        )

    # --- disk bytes

    def open(self, path: str) -> RandomAccess:
        """A virtual disk file by its host path, or on a file server; nothing is read yet."""
        if remote := unc_path(path):
            return self._file_servers.open(path, remote)
        by_agent = HostFile(self._calls, path)
        return by_agent if self._shares is None else self._shares.open(path, by_agent)

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        """Ranges of the virtual disk written between `since` and the checkpoint."""
        found: list[ByteRange] = []
        offset = calls = 0
        while offset < virtual_bytes:
            asked = min(CHANGES_PIECE_BYTES, virtual_bytes - offset)
            calls += 1
            _, answer = self._calls.one(
                contract.GET_DISK_CHANGE,
                Path=path,
                LimitId=since,
                Offset=offset,
                Length=asked,
            )
            processed, extents = answer["ProcessedLength"], answer["Extents"]
            assert isinstance(processed, int)  # noqa: S101 (checked by the decoder)
            assert isinstance(extents, bytes)  # noqa: S101 (checked by the decoder)
            # nothing may be skipped, and the loop must end, whatever the host says
            if not 0 < processed <= asked or calls > MAX_PIECES:
                raise self._broken_changes(f"ProcessedLength {processed} in piece {calls}")
            found.extend(self._extents(extents))
            if len(found) > MAX_CHANGES:
                found = list(merged(found))
            offset += processed
        return merged(clipped(found, virtual_bytes))

    def _extents(self, packed: bytes) -> Sequence[ByteRange]:
        if len(packed) > 16 * contract.MAX_EXTENTS:
            raise self._broken_changes(f"more than {contract.MAX_EXTENTS} extents in one piece")
        try:
            return contract.unpack_ranges(packed)
        except ValueError as error:
            raise self._broken_changes(str(error)) from error

    def _broken_changes(self, what: str) -> HostRefusedError:
        return broken_contract(self._host, contract.GET_DISK_CHANGE.name, what)

    def _remove(self, start: AgentFunction, request_id: RequestId, **arguments: object) -> None:
        try:
            self._calls.operate(start, request_id, **arguments)
        except ItemNotFoundError:
            return

    def _reference_point(self, vm_id: VmId, wanted: object) -> ReferencePoint | None:
        return next((r for r in self.reference_points((vm_id,)) if r.id == wanted), None)
