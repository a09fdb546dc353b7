"""One file: text to policies, with every complaint in its place."""

from collections.abc import Iterable
from dataclasses import dataclass, field

from reconciler.policy.complaints import (
    MOST_COMPLAINTS,
    Code,
    Complaint,
    Position,
    Remark,
    Severity,
    Source,
    in_order,
)
from reconciler.policy.explain import validated
from reconciler.policy.policy_set import Policy
from reconciler.policy.yaml_events import read_documents
from reconciler.policy.yaml_nodes import Limits, Node
from reconciler.policy.yaml_text import YamlRefusedError, decode

START = Position(1, 1)
_LIMITS = Limits()


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """What one file holds."""

    path: str
    documents: tuple[Policy, ...]
    complaints: tuple[Complaint, ...]
    raw: bytes = field(repr=False)

    @property
    def is_broken(self) -> bool:
        """Whether the file cannot be used as it is."""
        return any(c.severity is Severity.ERROR for c in self.complaints)


def parse_file(path: str, raw: bytes) -> ParsedFile:
    """Read one file by itself; never raises for what it holds."""
    source = Source(path, raw)
    try:
        text = decode(raw, _LIMITS.bytes)
        documents = read_documents(text, _LIMITS)
    except YamlRefusedError as refusal:
        complaints = [source.complaint(at, remark) for at, remark in refusal.found]
        return ParsedFile(path, (), in_order(complaints), raw)
    policies: list[Policy] = []
    found: list[tuple[int, Remark]] = []
    for index, document in enumerate(documents):
        result = validated(document.data)
        if isinstance(result, tuple):
            found += [(index, remark) for remark in result]
        else:
            policies.append(result)
            found += [(index, remark) for remark in result.remarks()]
    if not documents:
        remark = Remark((), "the file holds no policy", "delete it if that is meant", Code.SYNTAX)
        return ParsedFile(path, (), (source.complaint(START, remark),), raw)
    complaints = placed(source, found) if found else []
    return ParsedFile(path, tuple(policies), bounded(complaints), raw)


def placed(source: Source, found: Iterable[tuple[int, Remark]]) -> list[Complaint]:
    """The second pass over a file with complaints: where each of them is."""
    documents = read_documents(decode(source.raw, _LIMITS.bytes), _LIMITS, with_positions=True)
    nodes = [document.node or Node(START) for document in documents]
    return [
        source.complaint(nodes[index].find(remark.location, key=remark.is_about_key), remark)
        for index, remark in found
    ]


def bounded(complaints: Iterable[Complaint]) -> tuple[Complaint, ...]:
    """Errors first when there are too many, so that a warning never hides one."""
    ordered = in_order(complaints)
    by_weight = sorted(ordered, key=lambda c: c.severity is Severity.WARNING)
    return in_order(by_weight[:MOST_COMPLAINTS])
