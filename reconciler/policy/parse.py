"""A set of files: all policies together, with the last good version where one is broken."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from reconciler.policy.complaints import Code, Complaint, Remark, Severity, Source, in_order
from reconciler.policy.conflicts import Conflict, Placed, conflicts_of
from reconciler.policy.file_servers import FileServer
from reconciler.policy.hosts import HyperVCluster, HyperVHost
from reconciler.policy.parse_file import START, ParsedFile, bounded, parse_file, placed
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

__all__ = ["ParsedFile", "ParsedSet", "parse_file", "parse_set"]

_NOTHING: Mapping[str, bytes] = {}
_Files = dict[str, ParsedFile]


@dataclass(frozen=True, slots=True)
class ParsedSet:
    """What all files hold together, and what is in force."""

    policies: PolicySet
    complaints: tuple[Complaint, ...]
    broken: tuple[str, ...]
    """Files that cannot be used as they are; their last good version may be in force instead."""
    stand_ins: tuple[str, ...]
    """Files whose last good version is in force: broken, gone, or not fitting the others any more.
    """
    holes: tuple[str, ...]
    """Files that are not in force as a whole, and nothing stands in for what is missing: broken, or
    naming what a broken one should hold."""
    has_hole: bool
    """Something written is not in force and nothing stands in for it: hold what it may claim."""

    @property
    def errors(self) -> tuple[Complaint, ...]:
        """Complaints that make a file unusable."""
        return tuple(c for c in self.complaints if c.severity is Severity.ERROR)

    def in_force_for(self, path: str) -> str:
        """What holds in place of a file that cannot be used, in words."""
        if path in self.holes:
            return "nothing stands in for it: machines that it may claim are held"
        if path in self.stand_ins:
            return "its last good version is in force"
        return "it is not in force; the last good version of all files is"


def parse_set(files: Mapping[str, bytes], last_good: Mapping[str, bytes] = _NOTHING) -> ParsedSet:
    """Read a set of files; never raises for what they hold.

    A broken file is replaced by its last good version. If files do not fit together, the ones to
    blame are replaced, and if that does not help all of them are, because the last good set did
    fit. Where nothing stands in, the policies to blame are left out and `has_hole` says so.

    Args:
        files: Path to bytes.
        last_good: The files, as they were, of the last set that was in force as a whole.
    """
    parsed = {path: parse_file(path, raw) for path, raw in _in_force_first(files, last_good)}
    broken = {path for path, file in parsed.items() if file.is_broken}
    usable = {path: file for path, file in parsed.items() if path not in broken}
    usable |= _good_files(last_good, broken if files else set(last_good))
    lost = broken - usable.keys()
    conflicts = [
        conflict
        for conflict in _conflicts(usable)
        if conflict.placed.path not in broken and not (lost and conflict.is_reference)
    ]
    in_force, left_out = _settled(usable, last_good)
    complaints = [complaint for file in parsed.values() for complaint in file.complaints]
    complaints += _conflict_complaints(usable, conflicts)
    complaints += _none_at_all(files) + _notes(in_force, files)
    broken |= {conflict.placed.path for conflict in conflicts}
    holes = lost | left_out
    changed = {path for path, file in in_force.items() if file.raw != files.get(path)}
    return ParsedSet(
        policies=_policy_set(in_force),
        complaints=in_order(complaints),
        broken=tuple(sorted(broken)),
        stand_ins=tuple(sorted((changed | broken & in_force.keys()) - holes)),
        holes=tuple(sorted(holes)),
        has_hole=bool(holes) or not (files or usable),
    )


def _in_force_first(
    files: Mapping[str, bytes], last_good: Mapping[str, bytes]
) -> list[tuple[str, bytes]]:
    """Unchanged files before others: of two that collide, the newcomer is to blame."""
    return sorted(files.items(), key=lambda item: (last_good.get(item[0]) != item[1], item[0]))


def _good_files(last_good: Mapping[str, bytes], paths: Iterable[str]) -> _Files:
    """The last good version of each path that has one; a rule may have become stricter since."""
    parsed = [parse_file(path, last_good[path]) for path in sorted(paths) if path in last_good]
    return {file.path: file for file in parsed if not file.is_broken}


def _conflicts(usable: Mapping[str, ParsedFile]) -> list[Conflict]:
    return list(
        conflicts_of(
            Placed(path, index, policy)
            for path, file in usable.items()
            for index, policy in enumerate(file.documents)
        )
    )


def _settled(usable: _Files, last_good: Mapping[str, bytes]) -> tuple[_Files, set[str]]:
    """The nearest set without conflicts, and the files that are not in force as a whole in it."""
    conflicts = _conflicts(usable)
    if not conflicts:
        return usable, set()
    blamed = {conflict.placed.path for conflict in conflicts}
    for attempt in _attempts(usable, blamed, last_good):
        if not _conflicts(attempt):
            return attempt, set()
    trimmed: set[str] = set()
    while conflicts:
        left_out = {(conflict.placed.path, conflict.placed.index) for conflict in conflicts}
        usable = {path: _without(file, left_out) for path, file in usable.items()}
        trimmed |= {path for path, _ in left_out}
        conflicts = _conflicts(usable)
    return usable, trimmed


def _attempts(usable: _Files, blamed: set[str], last_good: Mapping[str, bytes]) -> Iterator[_Files]:
    """Sets that may fit: with the last good version of what is to blame, then of everything."""
    good = _good_files(last_good, last_good)
    yield usable | {path: good[path] for path in blamed & good.keys()}
    if good and len(good) == len(last_good):
        yield good


def _without(file: ParsedFile, left_out: set[tuple[str, int]]) -> ParsedFile:
    kept = tuple(p for i, p in enumerate(file.documents) if (file.path, i) not in left_out)
    return ParsedFile(file.path, kept, file.complaints, file.raw)


def _conflict_complaints(
    usable: Mapping[str, ParsedFile], conflicts: Iterable[Conflict]
) -> list[Complaint]:
    by_path: dict[str, list[tuple[int, Remark]]] = {}
    for conflict in conflicts:
        found = by_path.setdefault(conflict.placed.path, [])
        found.append((conflict.placed.index, conflict.remark))
    return [
        complaint
        for path, found in by_path.items()
        for complaint in bounded(placed(Source(path, usable[path].raw), found))
    ]


def _none_at_all(files: Mapping[str, bytes]) -> list[Complaint]:
    if files:
        return []
    hint = "write one; an empty folder does not mean that nothing is to be protected"
    remark = Remark((), "no policy files", hint, Code.CONFLICT)
    return [Source("policies", b"").complaint(START, remark)]


def _notes(in_force: Mapping[str, ParsedFile], files: Mapping[str, bytes]) -> list[Complaint]:
    """Which files are in force in another version than the one that is there."""
    notes = []
    for path, file in in_force.items():
        if file.raw == files.get(path):
            continue
        gone = "" if path in files else "the file is gone; "
        text = f"{gone}its last good version stays in force until the errors are repaired"
        remark = Remark((), text, code=Code.CONFLICT, severity=Severity.WARNING)
        notes.append(Source(path, b"").complaint(START, remark))
    return notes


def _policy_set(usable: Mapping[str, ParsedFile]) -> PolicySet:
    policies = sorted((p for f in usable.values() for p in f.documents), key=lambda p: p.name)
    return PolicySet(
        groups=tuple(p for p in policies if isinstance(p, ProtectionGroup)),
        hosts=tuple(p for p in policies if isinstance(p, HyperVHost)),
        pools=tuple(p for p in policies if isinstance(p, StoragePool)),
        clusters=tuple(p for p in policies if isinstance(p, HyperVCluster)),
        file_servers=tuple(p for p in policies if isinstance(p, FileServer)),
    )
