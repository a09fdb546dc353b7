"""A set of policies that uses every key there is, and what it means."""

import re
from collections.abc import Iterator, Mapping
from datetime import time, timedelta
from pathlib import Path
from typing import Any

import pytest

from reconciler.model.machine import Role
from reconciler.model.names import HostName, VmId
from reconciler.model.protection import ConsistencyWish, Otherwise
from reconciler.policy.parse import ParsedSet, parse_set
from reconciler.policy.policy_set import KINDS
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.schema import schemas
from reconciler.policy.selectors import Candidate
from reconciler.policy.yaml_events import read_documents

FOLDER = Path(__file__).parent / "everything"
LABELS = {".selector.labels.tier"}
FILES = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*.yaml"))}


@pytest.fixture(scope="module")
def parsed() -> ParsedSet:
    return parse_set(FILES)


@pytest.fixture(scope="module")
def groups(parsed: ParsedSet) -> Mapping[str, ProtectionGroup]:
    return {group.name: group for group in parsed.policies.groups}


def known_keys(schema: Mapping[str, Any], node: Mapping[str, Any], at: str = "") -> Iterator[str]:
    """Every key that the schema of a kind describes, with the way to it."""
    while "$ref" in node or "items" in node:
        node = node.get("items") or schema["$defs"][node["$ref"].rpartition("/")[2]]
    for key, part in node.get("properties", {}).items():
        yield f"{at}.{key}"
        yield from known_keys(schema, part, f"{at}.{key}")


def used_keys(data: object, at: str = "") -> Iterator[str]:
    if isinstance(data, list):
        for item in data:
            yield from used_keys(item, at)
    elif isinstance(data, dict):
        for key, value in data.items():
            yield f"{at}.{key}"
            yield from used_keys(value, f"{at}.{key}")


@pytest.mark.parametrize("kind", KINDS)
def test_every_key_of_every_kind_is_used(kind: str) -> None:
    (schema,) = (
        s
        for s in schemas().values()
        if s.get("properties", {}).get("kind", {}).get("const") == kind
    )
    documents = [d.data for raw in FILES.values() for d in read_documents(raw.decode())]
    used = {key for d in documents if isinstance(d, dict) and d["kind"] == kind
            for key in used_keys(d)}  # fmt: skip
    either = "selector"  # it is used when it is used in one of the places
    known = {
        re.sub(r"members|exclude|volumes\.member", either, key)
        for key in known_keys(schema, schema)
    }
    assert (
        known == {re.sub(r"members|exclude|volumes\.member", either, key) for key in used} - LABELS
    )


def test_it_is_right_but_for_one_thing_that_dpm_would_not_accept(parsed: ParsedSet) -> None:
    said = [f"{c.path} {c.where}: {c.text}" for c in parsed.complaints]
    assert said == ["groups.yaml retention: 1095d is outside what DPM allows: 1d to 448d"]
    assert not parsed.has_hole


def test_every_kind_is_in_force(parsed: ParsedSet) -> None:
    policies = parsed.policies
    assert [p.name for p in policies.hosts] == ["branch", "hv1", "node1", "node2"]
    assert [(p.name, p.nodes) for p in policies.clusters] == [("production", ("node1", "node2"))]
    servers = [(p.name, p.known_as, p.connection_port) for p in policies.file_servers]
    assert servers == [("fs1", "fs1", 445), ("fs2", "fs2.example.com", 5986)]
    assert {p.kind for p in policies.policies} == KINDS.keys()


def test_a_host_knows_the_cluster_it_is_a_node_of(parsed: ParsedSet) -> None:
    cluster_of = parsed.policies.cluster_of
    hosts = ("node1", "node2", "hv1", "elsewhere")
    assert [cluster_of(HostName(h)) for h in hosts] == ["production", "production", "", ""]


def test_synchronizations_have_a_frequency_or_are_just_before_recovery_points(
    groups: Mapping[str, ProtectionGroup],
) -> None:
    frequencies = {name: group.frequency for name, group in groups.items()}
    assert frequencies == {"gold": timedelta(minutes=15), "branch-archive": None, "lab": None}


def test_a_wish_is_what_the_guest_is_asked_and_what_else(
    groups: Mapping[str, ProtectionGroup],
) -> None:
    assert {name: group.consistency.wish for name, group in groups.items()} == {
        "gold": ConsistencyWish(asks_guest=True, otherwise=Otherwise.REFUSE),
        "branch-archive": ConsistencyWish(asks_guest=False, otherwise=Otherwise.SAVED_STATE),
        "lab": ConsistencyWish(),
    }


def test_checks_are_when_inconsistent_or_on_a_schedule_or_only_by_hand(
    groups: Mapping[str, ProtectionGroup],
) -> None:
    checks = {name: group.consistency_check for name, group in groups.items()}
    assert [c.is_by_hand_only for c in checks.values()] == [name == "lab" for name in checks]
    schedule = checks["gold"].schedule
    assert schedule is not None
    assert (schedule.times, schedule.weekdays) == ((time(3),), ("sun",))


def test_what_is_excluded_is_no_member_and_says_why(groups: Mapping[str, ProtectionGroup]) -> None:
    gold = groups["gold"]

    def vm(name: str, host: str = "node2", cluster: str = "production") -> Candidate:
        labels = {"tier": "gold"}
        return Candidate(HostName(host), cluster, name, VmId("x"), Role.PRIMARY, labels)

    assert gold.claims(vm("erp"))
    assert gold.exclusion_of(vm("erp")) is None
    assert not gold.claims(vm("erp-test"))
    excluded = gold.exclusion_of(vm("erp-test"))
    assert excluded is not None
    assert excluded.reason == "made anew each night from its image"
    assert gold.claims(vm("witness", "node1"))
    assert not gold.claims(vm("witness"))
    assert not gold.claims(vm("erp-test", "hv1", ""))
    assert gold.exclusion_of(vm("erp-test", "hv1", "")) is None
