"""Sizes, limits of volumes, and which volume a group chooses."""

import pytest

from reconciler.model.machine import Role
from reconciler.model.names import HostName, VmId
from reconciler.policy.parse import parse_set
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.selectors import Candidate
from reconciler.policy.storage import Volume

GIB = 1 << 30
POOL = """schema: reconciler/v1
kind: StoragePool
name: main
volumes:
  - {name: main-1, path: /backup/1%s}
  - {name: main-2, path: /backup/2}
"""
GROUP = """schema: reconciler/v1
kind: ProtectionGroup
name: finance
members: [{name: "*"}]
pool: main
zone: UTC
retention: 30d
recovery_points: {times: ["18:00"]}
%s
"""


def said(limits: str = "", group: str = "") -> list[str]:
    files = {"group.yaml": (GROUP % group).encode(), "pool.yaml": (POOL % limits).encode()}
    return [f"{c.path}:{c.where}: {c.text}" for c in parse_set(files).complaints]


def chosen(group: ProtectionGroup, name: str) -> str | None:
    return group.volume_for(Candidate(HostName("hv1"), "", name, VmId("x"), Role.PRIMARY, {}))


@pytest.mark.parametrize(
    ("written", "count", "shown"),
    [
        ("500GiB", 500 * GIB, "500GiB"),
        ("2TB", 2 * 10**12, "2TB"),
        ("1024MiB", GIB, "1GiB"),
        ("1000GB", 10**12, "1TB"),
        ("3PiB", 3 << 50, "3PiB"),
        ("15625GiB", 15625 * GIB, "15625GiB"),
    ],
)
def test_a_size_means_bytes_and_is_shown_in_its_largest_unit(
    written: str, count: int, shown: str
) -> None:
    volume = Volume.model_validate({"name": "v", "path": "/v", "quota": written})

    assert volume.quota == count
    assert volume.model_dump(mode="json")["quota"] == shown
    assert Volume.model_validate(volume.model_dump(mode="json", exclude_none=True)) == volume


@pytest.mark.parametrize("wrong", ["2 TB", "0GiB", "-1GB", "1.5TB", "500", "2tb", "1KiB", "TB"])
def test_what_is_no_size_is_told_with_examples(wrong: str) -> None:
    (told,) = said(f', quota: "{wrong}"')

    assert told == (
        f"pool.yaml:volumes[0].quota: expected a size such as 500GiB or 2TB, got '{wrong}'"
    )


def test_a_number_lacks_its_unit() -> None:
    (told,) = said(", reserve: 500")

    assert told == "pool.yaml:volumes[0].reserve: expected a size with its unit, got 500"


@pytest.mark.parametrize(
    ("total_gib", "reserve_gib"), [(5, 0.5), (20, 1), (1000, 20), (100_000, 64)]
)
def test_two_percent_stay_free_within_bounds(total_gib: int, reserve_gib: float) -> None:
    total = total_gib * GIB

    assert Volume(name="v", path="/v").reserve_of(total) == reserve_gib * GIB
    assert Volume(name="v", path="/v", reserve="7GiB").reserve_of(total) == 7 * GIB  # type: ignore[arg-type]


def test_the_first_choice_that_fits_a_member_counts() -> None:
    group = ProtectionGroup.model_validate(
        {
            "schema": "reconciler/v1",
            "kind": "ProtectionGroup",
            "name": "finance",
            "members": [{"name": "*"}],
            "pool": "main",
            "zone": "UTC",
            "retention": "30d",
            "recovery_points": {"times": ["18:00"]},
            "volume": "main-3",
            "volumes": [
                {"member": {"name": "sql*"}, "volume": "main-1"},
                {"member": {"name": "*"}, "volume": "main-2"},
            ],
        }
    )

    assert (chosen(group, "sql01"), chosen(group, "web")) == ("main-1", "main-2")
    without = group.model_copy(update={"volumes": ()})
    assert chosen(without, "web") == "main-3"
    assert chosen(without.model_copy(update={"volume": None}), "web") is None


def test_a_volume_that_the_pool_has_not_is_told() -> None:
    group = "volume: main-9\nvolumes:\n  - {member: {name: a}, volume: spare}"

    assert said(group=group) == [
        "group.yaml:volume: the pool 'main' has no volume 'main-9'",
        "group.yaml:volumes[0].volume: the pool 'main' has no volume 'spare'",
    ]
    assert said(group="volume: main-2") == []


def test_a_host_that_is_named_to_choose_a_volume_has_to_be_there() -> None:
    group = "volumes:\n  - {member: {host: hv9}, volume: main-1}"

    assert said(group=group) == ["group.yaml:volumes[0].member.host: there is no host 'hv9'"]
