"""The world as we need it: ports that two things really answer.

Hosts, files on hosts, object stores and the clock. Our own database is no port: tests use SQLite
itself.
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Protocol

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
from reconciler.model.ranges import ByteRange

Clock = Callable[[], datetime]
"""The time now, aware and in UTC."""


if TYPE_CHECKING:
    import obspec

    class _Store(
        obspec.Put, obspec.Get, obspec.GetRange, obspec.Head, obspec.List, obspec.Delete, Protocol
    ):
        """obspec's protocols; they take longer to load than many a command takes to run."""
else:

    class _Store(Protocol):
        """Nothing of them is needed to run."""


class ObjectStore(_Store, Protocol):
    """Where blocks live. A put that returned survives a power cut, and is never seen half.

    Missing objects raise FileNotFoundError (obspec's NotFoundError maps to it), `mode="create"`
    on an existing one FileExistsError.
    """


class RandomAccess(Protocol):
    """A file that is read in ranges. Every call may raise DiskUnreadableError or HostError."""

    @property
    def size(self) -> int:
        """Units: bytes."""
        ...

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range.

        Shape: one result per range, in order, each of exactly the range's length.
        """
        ...

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range, computed where the file is."""
        ...


class DiskFiles(Protocol):
    """Virtual disk files by their path on a host."""

    def open(self, path: str) -> RandomAccess:
        """A file by its host path; nothing is read yet."""
        ...


class HostSession(DiskFiles, Protocol):
    """A session with one Hyper-V host, for one thread. Every call may raise HostError."""

    def facts(self) -> HostFacts:
        """The host and its agent."""
        ...

    def machines(self, vm_ids: Sequence[VmId] = ()) -> Sequence[VirtualMachine]:
        """All machines of the host, or some; planned ones of a migration are left out.

        Raises:
            ItemNotFoundError: One that was named is not there.
        """
        ...

    def cluster(self) -> ClusterFacts | None:
        """The cluster that the host is a node of, as it sees it; None for a stand-alone host."""
        ...

    def checkpoints(self, vm_ids: Sequence[VmId] = ()) -> Sequence[Checkpoint]:
        """All recovery checkpoints, ours and others'."""
        ...

    def reference_points(self, vm_ids: Sequence[VmId] = ()) -> Sequence[ReferencePoint]:
        """All reference points, ours and others'."""
        ...

    def configuration_files(
        self, vm_id: VmId, checkpoint: CheckpointId
    ) -> Sequence[ConfigurationFile]:
        """The configuration files that a checkpoint keeps."""
        ...

    def configuration_bytes(self, file: ConfigurationFile) -> bytes:
        """All of a configuration file, exactly as long as it was said to be.

        Raises:
            DiskUnreadableError: It is gone, or cut short.
        """
        ...

    def report(self, after_event: int = 0, *, with_requirements: bool = False) -> HostReport:
        """All of the above, its cluster, volumes and events after that record, in one look.

        With requirements also what it and its file servers have beside machines: that costs more,
        and changes seldom.
        """
        ...

    def take_checkpoint(
        self, vm_id: VmId, consistency: Consistency, name: str, request_id: RequestId
    ) -> Checkpoint:
        """Take a recovery checkpoint and wait for it.

        Raises:
            MachineBusyError: Another operation of the machine is running.
            CheckpointFailedError: The operation ended without success.
        """
        ...

    def convert_to_reference_point(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> ReferencePoint:
        """Turn a checkpoint into a reference point and wait for it."""
        ...

    def converted(self, vm_id: VmId, request_id: RequestId) -> ReferencePoint | None:
        """What an earlier conversion with this request id made; None if the host knows of none."""
        ...

    def conversion(self, request_id: RequestId) -> ReferencePointId | None:
        """The id of what it made, from the host's journal; its machine may have moved away."""
        ...

    def save_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Save a running machine and wait until it is; one that is saved already stays so.

        Raises:
            MachineBusyError: Another operation of the machine is running.
            StateChangeFailedError: It could not be saved.
        """
        ...

    def resume_machine(self, vm_id: VmId, request_id: RequestId) -> None:
        """Let a saved machine run on and wait until it does; one that runs already goes on.

        Raises:
            MachineBusyError: Another operation of the machine is running.
            StateChangeFailedError: It could not be resumed, and is still saved.
        """
        ...

    def await_operation(self, request_id: RequestId) -> bool:
        """Wait for the end of what was begun with this request id; False if the host knows none.

        For when the answer to its start was lost.
        """
        ...

    def remove_checkpoint(
        self, vm_id: VmId, checkpoint: CheckpointId, request_id: RequestId
    ) -> None:
        """Remove a checkpoint and wait for it; one that is gone already is no error."""
        ...

    def remove_reference_point(
        self, vm_id: VmId, reference_point: ReferencePointId, request_id: RequestId
    ) -> None:
        """Remove a reference point and wait for it; one that is gone already is no error."""
        ...

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        """Ranges of the virtual disk written between `since` and the checkpoint.

        Shape: merged and clipped to the disk; empty when nothing changed.

        Raises:
            TrackingLostError: For this disk only a comparison of hashes can help.
        """
        ...

    def close(self) -> None:
        """End the session; never raises."""
        ...
