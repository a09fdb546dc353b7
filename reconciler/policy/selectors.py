"""Who belongs to a group, and who does not although he would."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal

from pydantic import AfterValidator, ConfigDict, WithJsonSchema, model_validator

from reconciler.model.machine import Role
from reconciler.model.names import HostName, VmId
from reconciler.policy.complaints import quoted
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import Name, Optionally, Text, VmGuid, wrong


@dataclass(frozen=True, slots=True)
class Candidate:
    """What a selector can know of a machine."""

    host: HostName
    cluster: str
    """Name of the HyperVCluster policy that its host is a node of; empty for none."""
    name: str
    id: VmId
    role: Role
    labels: Mapping[str, str]


def _labels(labels: Mapping[str, str]) -> Mapping[str, str]:
    """Only what a machine's notes can hold: see model/labels.py."""
    if not labels:
        raise wrong("the mapping is empty", "write at least one label, such as 'tier: gold'")
    for key, value in labels.items():
        for word in (key, value):
            if not word or any(c.isspace() or c in ",=" for c in word):
                hint = "in the notes of a machine it is written: labels: tier=gold"
                raise wrong(f"a label is one word without comma or =, got {quoted(word)}", hint)
    return labels


_WORD = r"^[^\s,=]+$"
Labels = Annotated[
    Mapping[str, str],
    AfterValidator(_labels),
    WithJsonSchema(
        {
            "type": "object",
            "minProperties": 1,
            "propertyNames": {"pattern": _WORD},
            "additionalProperties": {"type": "string", "pattern": _WORD},
            "examples": [{"tier": "gold"}],
        }
    ),
]


class Selector(PolicyModel):
    """Picks virtual machines: every key that is given has to match."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})
    noun: ClassVar[str] = "a selector"
    remedy: ClassVar[str] = "to take every machine write 'name: \"*\"'"
    picks_nothing: ClassVar[frozenset[str]] = frozenset()
    """Keys that say nothing about machines."""

    host: Optionally[Name] = None
    """Name of a HyperVHost policy."""

    cluster: Optionally[Name] = None
    """Name of a HyperVCluster policy; any of its nodes."""

    name: Optionally[Text] = None
    """Name of the virtual machine; * stands for any characters, ? for one; case is ignored."""

    id: Optionally[VmGuid] = None
    """Hyper-V's id of the virtual machine."""

    role: Optionally[Literal["primary", "replica", "extended_replica", "test_replica"]] = None
    """Its part in Hyper-V Replica, where a primary and its replicas share one id."""

    labels: Optionally[Labels] = None
    """Labels in the machine's notes, in a line such as 'labels: tier=gold'; all have to be there,
    case is ignored."""

    @model_validator(mode="before")
    @classmethod
    def _not_empty(cls, given: Any) -> Any:
        if isinstance(given, dict) and given.keys() <= cls.picks_nothing:
            keys = ", ".join(key for key in cls.model_fields if key not in cls.picks_nothing)
            raise wrong(f"{cls.noun} needs at least one of: {keys}", cls.remedy)
        return given


class Exclusion(Selector):
    """Takes virtual machines out of the group again, and says why."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 2})
    noun: ClassVar[str] = "an exclusion"
    remedy: ClassVar[str] = "say which machines are meant, such as 'name: \"*-test\"'"
    picks_nothing: ClassVar[frozenset[str]] = frozenset({"reason"})

    reason: Text
    """Why these are not protected by this group; shown wherever they are."""


def matches(selector: Selector, candidate: Candidate) -> bool:
    """Whether a machine is picked."""
    return (
        selector.host in {None, candidate.host}
        and selector.cluster in {None, candidate.cluster}
        and (selector.name is None or glob_matches(selector.name, candidate.name))
        and selector.id in {None, candidate.id.lower()}
        and selector.role in {None, candidate.role.value}
        and (selector.labels is None or _has(candidate.labels, selector.labels))
    )


def _has(labels: Mapping[str, str], wanted: Mapping[str, str]) -> bool:
    there = {(key.casefold(), value.casefold()) for key, value in labels.items()}
    return all((key.casefold(), value.casefold()) in there for key, value in wanted.items())


def glob_matches(pattern: str, text: str) -> bool:
    """Match * and ? only, ignoring case, in time pattern x text at worst.

    A regular expression would need far longer for a pattern with many stars.
    """
    wanted = [c.casefold() for c in pattern]
    given = [c.casefold() for c in text]
    at = here = 0
    star, resume = -1, 0
    while here < len(given):
        if at < len(wanted) and wanted[at] == "*":
            star, resume = at, here
            at += 1
        elif at < len(wanted) and wanted[at] in {"?", given[here]}:
            at += 1
            here += 1
        elif star >= 0:  # let the last star take one character more
            resume += 1
            at, here = star + 1, resume
        else:
            return False
    return all(c == "*" for c in wanted[at:])
