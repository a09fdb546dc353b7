"""The tools a step may touch."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path

from reconciler.blocks.repository import Repository
from reconciler.errors import CatalogueLockedError, ItemNotFoundError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.meter import Meter
from reconciler.model.names import HostName, PoolName, ServerId, VolumeId
from reconciler.model.protection import DataSource
from reconciler.ports import Clock, HostSession
from reconciler.record.catalogue import Catalogue
from reconciler.record.work import Intent, Job


def _no_copies(_: VolumeId, folder: Path) -> Repository:
    raise ItemNotFoundError(f"{folder} cannot be opened here", hint="use `reconciler replica`")


@dataclass(frozen=True, slots=True)
class PolicyStamp:
    """Which policies a job acts on."""

    digest: str
    commit: str


@dataclass(frozen=True, slots=True)
class ResumePace:
    """How a machine is tried that was saved and cannot be resumed.

    Units: seconds.
    """

    every_s: float = 5.0
    for_s: float = 20.0
    """After that its disks are copied all the same."""
    again_every_s: float = 30.0
    """While they are copied."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What every job of a process shares; each call may be made from any thread."""

    catalogue: Catalogue
    server: ServerId
    clock: Clock
    """Stamps recovery points; in the lab it may be moved."""
    lease_clock: Clock
    """Stamps jobs and their beats; always the server's own."""
    owner: str
    open_host: Callable[[HostName], HostSession]
    repository: Callable[[VolumeId], Repository]
    """Open for writing, as this server."""
    repository_to_read: Callable[[VolumeId], Repository]
    """Open for reading only: what recoveries use, also beside a running backup."""
    place: Callable[[PoolName, str], VolumeId]
    """The volume of that name of a pool, ready to be written to."""
    copy_to_read: Callable[[VolumeId, Path], Repository] = _no_copies
    """A repository in a folder, with the keys of that of a volume; open for reading only."""
    freed: Callable[[VolumeId, int], None] = lambda _volume, _bytes: None
    """Told how many bytes were deleted from the repository of a volume."""
    sweep_grace: Callable[[VolumeId], timedelta] = lambda _volume: timedelta()
    """How long what no recovery point needs stays on a volume."""
    reached: Callable[[Boundary], None] = lambda _: None
    """Told of each boundary as it is passed; tests stop the process there."""
    merge_wait_s: float = 60.0
    """How long a machine may be busy before its capture gives up; most merges are short."""
    merge_end_wait_s: float = 15.0
    """How long a capture waits at its end for the merge that it leaves behind."""
    resuming: ResumePace = ResumePace()


@dataclass(frozen=True, slots=True)
class Workbench:
    """The tools of one job, in one thread."""

    tools: Tools
    host: HostSession
    source: DataSource
    job: Job
    policy: PolicyStamp
    meter: Meter = field(default_factory=Meter)

    @property
    def catalogue(self) -> Catalogue:
        """The records."""
        return self.tools.catalogue

    def repository(self, volume: VolumeId) -> Repository:
        """The repository of a volume, open for reading and writing."""
        return self.tools.repository(volume)

    def reached(self, boundary: Boundary) -> None:
        """Say that a boundary was passed.

        Raises:
            JobStoppedError: Another process holds the job: nothing more may be written.
        """
        self.tools.reached(boundary)
        if self.meter.is_lease_lost:
            self.meter.require_going()

    def write_intent(self, intent: Intent) -> None:
        """Write down what is about to be made on the host.

        Raises:
            CatalogueLockedError: The job is no longer ours.
        """
        if not self.catalogue.jobs.set_intent(self.job.id, self.job.epoch, intent):
            raise CatalogueLockedError(
                f"job {self.job.id} was taken over by another process",
                hint="nothing was changed; the other process carries on",
            )
