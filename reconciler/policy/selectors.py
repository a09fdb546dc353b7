"""Who belongs to a group."""

from typing import Any

from pydantic import ConfigDict, model_validator

from reconciler.model.names import HostName, VmId
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import Name, Optionally, Text, VmGuid, wrong


class Selector(PolicyModel):
    """Picks virtual machines: every key that is given has to match."""

    model_config = ConfigDict(json_schema_extra={"minProperties": 1})

    host: Optionally[Name] = None
    """Name of a HyperVHost policy."""

    name: Optionally[Text] = None
    """Name of the virtual machine; * stands for any characters, ? for one; case is ignored."""

    id: Optionally[VmGuid] = None
    """Hyper-V's id of the virtual machine."""

    @model_validator(mode="before")
    @classmethod
    def _not_empty(cls, given: Any) -> Any:
        if isinstance(given, dict) and not given:
            hint = "to take every machine write 'name: \"*\"'"
            raise wrong("a selector needs at least one of: host, name, id", hint)
        return given


def matches(selector: Selector, host_name: HostName, vm_name: str, vm_id: VmId) -> bool:
    """Whether a machine is picked; `host_name` is the name of the HyperVHost policy."""
    return (
        (selector.host is None or selector.host == host_name)
        and (selector.name is None or glob_matches(selector.name, vm_name))
        and (selector.id is None or selector.id == vm_id.lower())
    )


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
