"""The look at a new replica, before its first point is sealed."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.repository import Repository
from reconciler.errors import JobStoppedError
from reconciler.execute.copy_disks import Copied
from reconciler.execute.create_replica import verify
from reconciler.execute.meter import Meter
from reconciler.model.machine import ControllerSlot, DiskFormat, DiskGeometry
from reconciler.model.names import DiskId
from reconciler.model.protection import DiskDescription
from reconciler.model.ranges import ByteRange

SIZE = 1 << 20


class EmptyDisk:
    virtual_bytes = SIZE

    def allocated(self, start: int, end: int) -> Iterator[ByteRange]:
        del start, end
        return iter(())

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        raise AssertionError(ranges)

    hashes_of = read


def test_a_job_that_is_to_stop_does_not_compare_to_the_end(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    Repository.create(store)
    writer = Repository.claim_writer(store)
    repository = Repository.open(store, cache=tmp_path / "cache", writer=writer)
    draft = repository.draft()
    geometry = DiskGeometry(SIZE, 512, 4096, DiskFormat.VHDX, 1 << 20)
    disk = DiskDescription(DiskId("d"), ControllerSlot("SCSI", 0, 0), "v", geometry)
    source: Any = EmptyDisk()
    copied = [Copied(draft.disk(disk, None), source)]
    meter = Meter()
    verify(repository, draft, copied, meter)

    meter.stop("the loop ends")
    with pytest.raises(JobStoppedError):
        verify(repository, draft, copied, meter)
