from datetime import time, timedelta

import pytest

from reconciler.policy.complaints import Severity
from reconciler.policy.hosts import HyperVHost
from reconciler.policy.parse import parse_file
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.selectors import Selector
from reconciler.policy.storage import StoragePool, Volume

GROUP = """\
schema: reconciler/v1
kind: ProtectionGroup
name: finance
members:
  - host: hv1
    name: "fin-*"
pool: main
retention: 30d
recovery_points:
  times: ["08:00", "18:00"]
synchronization: 15m
zone: Europe/Berlin
"""
HOST = """\
schema: reconciler/v1
kind: HyperVHost
name: hv1
address: hv1.example.com
user: 'LAB\\reconciler'
password: env:PASSWORD
"""
POOL = """\
schema: reconciler/v1
kind: StoragePool
name: main
volumes:
  - name: main-1
    path: /backup/1
"""


def said(text: str) -> list[str]:
    """Position and text of each complaint."""
    found = parse_file("p.yaml", text.encode()).complaints
    return [f"{c.line}:{c.column} {c.where}: {c.text}" for c in found]


def test_a_group_is_read_as_it_is_written() -> None:
    (group,) = parse_file("p.yaml", GROUP.encode()).documents

    assert isinstance(group, ProtectionGroup)
    assert group.members == (Selector(host="hv1", name="fin-*"),)
    assert group.retention == timedelta(days=30)
    assert group.recovery_points.times == (time(8), time(18))
    assert group.synchronization == timedelta(minutes=15)
    assert group.time_zone.key == "Europe/Berlin"


def test_hosts_and_pools_are_read_from_one_file() -> None:
    host, pool = parse_file("p.yaml", f"{HOST}---\n{POOL}".encode()).documents

    assert isinstance(host, HyperVHost)
    assert (host.wsman_port, host.tls, host.authentication) == (5985, False, "negotiate")
    assert (host.user, host.configuration) == ("LAB\\reconciler", "ReconcilerAgent")
    assert isinstance(pool, StoragePool)
    assert pool.volumes == (Volume(name="main-1", path="/backup/1"),)


def test_the_port_follows_tls_unless_it_is_written() -> None:
    hosts = [
        parse_file("p.yaml", (HOST + more).encode()).documents[0]
        for more in ("tls: true\n", "tls: true\nport: 443\n")
    ]
    assert [h.wsman_port for h in hosts if isinstance(h, HyperVHost)] == [5986, 443]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "kind: ProtectionGroup",
            "kind: ProtectionGrop",
            "2:7 kind: there is no kind 'ProtectionGrop'",
        ),
        ("kind: ProtectionGroup", "kind:", "2:6 kind: there is no kind nothing"),
        ("kind: ProtectionGroup\n", "", "1:1 : key 'kind' is missing"),
        (
            "reconciler/v1",
            "reconciler/v2",
            "1:9 schema: expected 'reconciler/v1', got 'reconciler/v2'",
        ),
        ("schema: reconciler/v1\n", "", "1:1 : key 'schema' is missing"),
        ("    name:", "    nmae:", "6:5 members[0].nmae: unknown key 'nmae'"),
        (
            "retention: 30d",
            "retention: 30",
            "8:12 retention: expected a duration such as 15m, 36h or 30d, got 30",
        ),
        ("pool: main", "pool: true", "7:7 pool: expected text, got true"),
        (
            "synchronization: 15m",
            "synchronization:",
            "11:17 synchronization: expected a value, got nothing",
        ),
        (
            '["08:00", "18:00"]',
            "08:00",
            "10:10 recovery_points.times: expected a list, got '08:00'",
        ),
        ('["08:00", "18:00"]', "[]", "10:10 recovery_points.times: the list is empty"),
        (
            '["08:00", "18:00"]',
            '["08:00", 8am]',
            (
                "10:20 recovery_points.times[1]: "
                "expected a time of day such as 08:00 or 22:30, got '8am'"
            ),
        ),
        (
            '["08:00", "18:00"]',
            '["08:00", "08:00"]',
            "10:20 recovery_points.times[1]: 08:00 is there twice",
        ),
        (
            '  - host: hv1\n    name: "fin-*"',
            "  - {}",
            (
                "5:5 members[0]: a selector needs at least one of: host, cluster, name, id, "
                "role, labels"
            ),
        ),
        (
            "zone: Europe/Berlin",
            "zone: Europe/Brelin",
            "12:7 zone: there is no time zone 'Europe/Brelin'",
        ),
    ],
)
def test_each_mistake_is_named_where_it_is(old: str, new: str, complaint: str) -> None:
    assert old in GROUP
    assert said(GROUP.replace(old, new)) == [complaint]


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        (
            "address: hv1.example.com",
            "port: 0\naddress: a",
            "4:7 port: has to be greater than or equal to 1; got 0",
        ),
        (
            "address: hv1.example.com",
            "port: '1'\naddress: a",
            "4:7 port: expected a whole number, got '1'",
        ),
        (
            "address: hv1.example.com",
            "tls: yes\naddress: a",
            "4:6 tls: expected true or false, got 'yes'",
        ),
        (
            "env:PASSWORD",
            "hunter2",
            (
                "6:1 password: a secret does not belong in a policy file; "
                "expected a reference to one"
            ),
        ),
        (
            "password: env:PASSWORD\n",
            "",
            "1:1 : key 'password' is missing; authentication by negotiate needs it",
        ),
        (
            "password:",
            "authentication: nltm\npassword:",
            (
                "6:17 authentication: expected 'ntlm', 'negotiate', 'kerberos' or 'certificate', "
                "got 'nltm'"
            ),
        ),
    ],
)
def test_each_mistake_of_a_host_is_named_where_it_is(old: str, new: str, complaint: str) -> None:
    assert old in HOST
    assert said(HOST.replace(old, new)) == [complaint]


def test_two_volumes_of_a_pool_have_two_names() -> None:
    text = POOL + "  - {name: main-1, path: /backup/2}\n"
    assert said(text) == ["7:12 volumes[1].name: there are two volumes 'main-1' in this pool"]


@pytest.mark.parametrize("line", ["retention: 449d", "retention: 23h"])
def test_a_retention_that_dpm_would_not_accept_is_a_warning(line: str) -> None:
    parsed = parse_file("p.yaml", GROUP.replace("retention: 30d", line).encode())
    assert [(c.severity, c.where) for c in parsed.complaints] == [(Severity.WARNING, "retention")]
    assert not parsed.is_broken
    assert len(parsed.documents) == 1


@pytest.mark.parametrize("line", ["synchronization: 14m", "synchronization: 25h"])
def test_a_frequency_that_dpm_would_not_accept_is_a_warning(line: str) -> None:
    parsed = parse_file("p.yaml", GROUP.replace("synchronization: 15m", line).encode())
    assert [(c.severity, c.where) for c in parsed.complaints] == [
        (Severity.WARNING, "synchronization")
    ]


@pytest.mark.parametrize("line", ["retention: 448d", "retention: 1d", "synchronization: 24h"])
def test_the_bounds_themselves_are_no_warning(line: str) -> None:
    key = line.partition(":")[0]
    lines = [line if old.startswith(key) else old for old in GROUP.splitlines()]
    assert said("\n".join(lines)) == []


def test_mistakes_of_every_document_are_reported_together() -> None:
    pool = POOL.replace("name: main\n", "name: Main\n")
    text = f"{GROUP.replace('30d', '30')}---\n{pool}"
    assert [line.split(" ")[0] for line in said(text)] == ["8:12", "16:7"]


def test_a_file_without_a_policy_is_broken() -> None:
    for text in ("", "# nothing\n", "---\n---\n"):
        assert said(text) == ["1:1 : the file holds no policy"]


def test_a_policy_that_is_no_mapping_is_named() -> None:
    assert said("- a\n") == ["1:1 : expected a policy, got a list"]
    assert said("hello") == ["1:1 : expected a policy, got 'hello'"]


def test_a_file_that_is_all_mistakes_stays_readable() -> None:
    unknown = "".join(f"key{i}: 1\n" for i in range(1_000))
    assert len(said(POOL + unknown)) == 50


@pytest.mark.parametrize(
    "line",
    [
        "password: hunter2",
        "password:\n  hunter2",
        "passwrd: hunter2",
        "password: 'hunter2",
        "password: !x hunter2",
        "password: env:X\npassword: hunter2",
        "password: [hunter2]",
        "password: |\n\thunter2",
    ],
)
def test_no_complaint_repeats_a_secret(line: str) -> None:
    text = HOST.replace("password: env:PASSWORD", line)
    complaints = parse_file("p.yaml", text.encode()).complaints
    assert complaints
    assert not any("hunter2" in c.render() + repr(c) for c in complaints)


def test_a_key_with_a_typing_error_is_not_missing_too() -> None:
    text = GROUP.replace("retention:", "retension:").replace("  times:", "  tmies:")
    assert said(text) == [
        "8:1 retension: unknown key 'retension'",
        "10:3 recovery_points.tmies: unknown key 'tmies'",
    ]
