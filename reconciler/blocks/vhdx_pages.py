"""Tables of VHDX files, read a page at a time and kept in bounded memory."""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Final

from reconciler.blocks.vhdx_faults import damaged
from reconciler.model.ranges import ByteRange
from reconciler.ports import RandomAccess

PAGE_BYTES: Final = 64 << 10
"""8,192 entries of a BAT: 16 GiB of a disk even when its blocks are only 2 MiB."""
CACHE_BYTES: Final = 32 << 20
"""Shared by all files of a chain."""


class PageCache:
    """Pages of several files; the one that was not asked for the longest goes first."""

    def __init__(self, most_bytes: int = CACHE_BYTES) -> None:
        self._most_pages = max(1, most_bytes // PAGE_BYTES)
        self._pages: OrderedDict[tuple[int, int], bytes] = OrderedDict()

    def get(self, file_index: int, offset: int) -> bytes | None:
        """A page, if it is still here."""
        page = self._pages.get((file_index, offset))
        if page is not None:
            self._pages.move_to_end((file_index, offset))
        return page

    def put(self, file_index: int, offset: int, page: bytes) -> None:
        """Keep a page."""
        self._pages[file_index, offset] = page
        while len(self._pages) > self._most_pages:
            self._pages.popitem(last=False)


class PagedTables:
    """The tables of one file."""

    def __init__(self, file: RandomAccess, path: str, cache: PageCache, file_index: int) -> None:
        self._file = file
        self._path = path
        self._cache = cache
        self._index = file_index

    def pages(self, offsets: Sequence[int]) -> list[bytes]:
        """The pages at some file offsets; what is missing is fetched in one read.

        Raises:
            DiskUnreadableError: A page does not lie in the file.
        """
        found = {at: self._cache.get(self._index, at) for at in offsets}
        missing = sorted(at for at, page in found.items() if page is None)
        if missing and missing[-1] + PAGE_BYTES > self._file.size:
            raise damaged(self._path, "table", f"at {missing[-1]} lies behind the file's end")
        ranges = [ByteRange(at, at + PAGE_BYTES) for at in missing]
        read = self._file.read(ranges) if ranges else ()
        for at, page in zip(missing, read, strict=True):
            self._cache.put(self._index, at, page)
            found[at] = page
        return [found[at] or b"" for at in offsets]
