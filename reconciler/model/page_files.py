"""What of a machine's disks is scratch space: its page files, which incrementals leave out.

The law: every byte of a recovery point that is not among what it left out is what the disk held.
So what was left out once is read again as soon as it is no page file any more; that it was not
written to since proves nothing.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from itertools import groupby
from typing import Final

from reconciler.model.protection import Consistency, LeftOut
from reconciler.model.ranges import ByteRange, aligned, clipped, common, subtracted, whole_blocks

MOST_LEFT_OUT: Final = 512
"""Ranges that a recovery point names for one disk."""

_BY_GUEST = frozenset({Consistency.APPLICATION, Consistency.FILE_SYSTEM})


@dataclass(frozen=True, slots=True)
class PageFiles:
    """What a policy wants left out of incrementals."""

    leaves_out: bool = True
    disks: tuple[str, ...] = ()
    """Patterns of file names of disks that hold page files only; case is ignored."""

    def pattern_for(self, file_name: str) -> str | None:
        """The pattern that names this disk."""
        name = file_name.casefold()  # * and ? only, as in all our patterns
        return next(
            (p for p in self.disks if fnmatchcase(name, p.casefold().replace("[", "[[]"))), None
        )

    def at(self, consistency: Consistency) -> "PageFiles":
        """What may be left out of a capture of this kind.

        A guest that is saved, or sleeps on its disk, goes on with what is in its page file. And
        only a guest that takes part has written its file tables to the disk: after a crash they
        may be older than the files in the very clusters that they call a page file.
        """
        return self if self.leaves_out and consistency is not Consistency.OFFLINE else ALL_COPIED


USUAL_PAGE_FILES: Final = PageFiles()
ALL_COPIED: Final = PageFiles(leaves_out=False)


def trusts_file_tables(consistency: Consistency) -> bool:
    """Whether the file tables on the disk are those of the moment of the capture."""
    return consistency in _BY_GUEST


@dataclass(frozen=True, slots=True)
class Scratch:
    """A part of a disk whose bytes nobody needs, and what it is."""

    part: ByteRange
    what: str


def left_out(
    changes: Iterable[ByteRange],
    earlier: Iterable[LeftOut],
    scratch: Iterable[Scratch],
    block_bytes: int,
    end: int,
) -> tuple[LeftOut, ...]:
    """What of a disk is not copied: of what was written, or left out before, whole page blocks.

    Where that is in too many pieces, whole runs of a page file are named instead; where those
    are too many, the rest of them is copied.

    Shape: sorted and disjoint; each begins with a block, and ends with one or with the disk.
    """
    wanted = aligned(
        clipped([*changes, *(ByteRange(e.start, e.end) for e in earlier)], end), block_bytes
    )
    found: list[LeftOut] = []
    hulls: list[LeftOut] = []
    taken: list[ByteRange] = []
    by_what = groupby(sorted(scratch, key=lambda s: (s.what, s.part)), key=lambda s: s.what)
    for what, group in by_what:
        parts = subtracted((s.part for s in group), taken)
        taken += parts
        runs = whole_blocks(parts, block_bytes, end)
        pieces = tuple(clipped(common(wanted, runs), end))
        found += [LeftOut(p.start, p.end, what) for p in pieces]
        hulls += _hulls(pieces, runs, what)
    if len(found) > MOST_LEFT_OUT:
        hulls.sort(key=lambda each: each.start - each.end)
        found = hulls[:MOST_LEFT_OUT]
    return tuple(sorted(found, key=lambda each: each.start))


def _hulls(pieces: Iterable[ByteRange], runs: Iterable[ByteRange], what: str) -> Iterator[LeftOut]:
    """For each run, from the first of its pieces to the end of the last.

    Shape: both sorted and disjoint; each piece is within one run.
    """
    following = iter(runs)
    run = next(following, None)
    start = end = 0
    for piece in pieces:
        while run is not None and run.end <= piece.start:
            if start < end:
                yield LeftOut(start, end, what)
            start, run = piece.start, next(following, None)
        start = piece.start if start >= end else start
        end = piece.end
    if start < end:
        yield LeftOut(start, end, what)
