"""A virtual disk file on a host, read and hashed in bounded calls."""

from collections.abc import Iterator, Sequence

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.decode import broken_contract
from reconciler.errors import DiskUnreadableError
from reconciler.model.ranges import ByteRange, pieces


class HostFile:
    """One file, by its path on the host."""

    def __init__(self, calls: AgentCalls, path: str) -> None:
        self._calls = calls
        self._path = path
        self._size: int | None = None

    @property
    def size(self) -> int:
        """Units: bytes; asked once."""
        if self._size is None:
            self._size, _ = self._read((ByteRange(0, 1),))
        return self._size

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """The bytes of each range."""
        data: list[bytes] = []
        for batch in _batches(list(pieces(ranges, contract.MAX_READ_BYTES))):
            self._size, joined = self._read(batch)
            offset = 0
            for part in batch:
                data.append(joined[offset : offset + part.length])
                offset += part.length
        return data if len(data) == len(ranges) else _rejoined(ranges, data)

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        """SHA-256 of each range; each must be at most MAX_READ_BYTES long."""
        return [h for batch in _batches(ranges) for h in self._hash(batch)]

    def _read(self, ranges: Sequence[ByteRange]) -> tuple[int, bytes]:
        _, answer = self._calls.one(
            contract.READ_FILE, Path=self._path, Ranges=contract.pack_ranges(ranges)
        )
        size, data = answer["FileSize"], answer["Data"]
        assert isinstance(size, int)  # noqa: S101 (checked by the decoder)
        assert isinstance(data, bytes)  # noqa: S101 (checked by the decoder)
        expected = sum(r.length for r in ranges)
        if size < max(r.end for r in ranges):
            raise broken_contract(
                self._calls.host, contract.READ_FILE.name, f"FileSize {size} of what it could read"
            )
        if len(data) != expected:
            raise DiskUnreadableError(
                f"{self._calls.host} returned {len(data)} of {expected} bytes of {self._path}",
                hint="the file may have been cut short on the host; the next pass tries again",
            )
        return size, data

    def _hash(self, ranges: Sequence[ByteRange]) -> list[bytes]:
        _, answer = self._calls.one(
            contract.GET_BLOCK_HASH, Path=self._path, Ranges=contract.pack_ranges(ranges)
        )
        hashes = answer["Hashes"]
        assert isinstance(hashes, bytes)  # noqa: S101 (checked by the decoder)
        step = contract.HASH_BYTES
        if len(hashes) != step * len(ranges):
            raise broken_contract(
                self._calls.host, contract.GET_BLOCK_HASH.name, "not 32 bytes a range"
            )
        return [hashes[i : i + step] for i in range(0, len(hashes), step)]


def _batches(ranges: Sequence[ByteRange]) -> Iterator[list[ByteRange]]:
    """Ranges in groups that one call may ask for."""
    batch: list[ByteRange] = []
    size = 0
    for this in ranges:
        full = len(batch) == contract.MAX_RANGES or size + this.length > contract.MAX_READ_BYTES
        if batch and full:
            yield batch
            batch, size = [], 0
        batch.append(this)
        size += this.length
    if batch:
        yield batch


def _rejoined(ranges: Sequence[ByteRange], parts: Sequence[bytes]) -> list[bytes]:
    """One result per range, from parts that were cut at MAX_READ_BYTES."""
    rest = iter(parts)
    result = []
    for this in ranges:
        count = -(-this.length // contract.MAX_READ_BYTES)
        result.append(b"".join(next(rest) for _ in range(count)))
    return result
