"""What `reconciler check` says to bad input, word by word."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from reconciler.cli.check import command

ROOT = Path(__file__).parents[2]
GOLDEN = Path(__file__).parent / "policy_errors"
GROUP = (ROOT / "policies" / "finance.yaml").read_text(encoding="utf-8")
HOSTS = (ROOT / "policies" / "hosts.yaml").read_text(encoding="utf-8")
HEAD = GROUP.split("recovery_points:", maxsplit=1)[0]
CLUSTERS = """\
schema: reconciler/v1
kind: HyperVCluster
name: production
nodes: [hv1, hv3]
---
schema: reconciler/v1
kind: HyperVCluster
name: test
nodes: [hv1]
"""
KEYS = """\
zone: Europe/Berlin
recovery_points:
  times: ["08:00", "8:00"]
  weekdays: [Monday, mon-fri, mon, mon]
  days_of_month: [31, 32, "1"]
  months: january
exclude:
  - name: "*-test"
  - reason: all of them
keep_at_least: 0
synchronization: just before recovery points
consistency: crash
consistency_check: {when_inconsitent: false}
initial_replication:
  quiet_time: {start: "22:00"}
online: true
"""
CONTRADICTIONS = """\
zone: Europe/Berlin
recovery_points:
  times: ["08:00"]
  weekdays: [mon, mon]
  days_of_month: [31]
keep_at_least: 1000
consistency: {ask_guest: false, otherwise: refuse}
initial_replication:
  quiet_time: {start: "22:00", end: "22:00"}
"""
PAGE_FILES = """\
page_files:
  leave_out: yes
  disks:
    - "*.vhdx"
    - 'D:\\VMs\\*_pagefile.vhd*'
    - "*_pagefile.vhd*"
    - "*_pagefile.vhd*"
  disk: "*_swap.vhdx"
"""
REFERENCES = """\
members:
  - {cluster: productoin}
  - {host: hv2, cluster: production}
exclude:
  - {host: hv7, reason: it is old}
  - {cluster: lab, reason: not ours}
"""
SERVER = """\
schema: reconciler/v1
kind: FileServer
name: fs1
address: 192.0.2.9
user: 'LAB\\reconciler'
authentication: ntlm
tls: true
"""
NODES = """\
schema: reconciler/v1
kind: HyperVCluster
name: production
nodes: [n1, n2, n3, n4]
"""
NODE = """\
---
schema: reconciler/v1
kind: HyperVHost
name: {name}
address: {name}.example.com
membership: {membership}
authentication: {authentication}
"""
ACCOUNT = "user: 'N\\reconciler'\npassword: env:P\n"
CERTIFICATE = "tls: true\ncertificate: c.pem\ncertificate_key: file:c.key\n"
MEMBERSHIP = (
    NODES
    + NODE.format(name="n1", membership="workgroup", authentication="ntlm")
    + ACCOUNT
    + NODE.format(name="n2", membership="untrusted_domain", authentication="certificate")
    + CERTIFICATE
    + NODE.format(name="n3", membership="trusted_domain", authentication="ntlm")
    + ACCOUNT
    + NODE.format(name="n4", membership="untrusted_domain", authentication="negotiate").replace(
        "authentication: negotiate\n", ""
    )
    + ACCOUNT
)
BOMB = "a: &a [x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{new}: &{new} [{', '.join([f'*{old}'] * 9)}]\n"
    for old, new in zip("abcdefgh", "bcdefghi", strict=True)
)
CASES = {
    "brackets": {"finance.yaml": "[" * 40_000},
    "alias_bomb": {"finance.yaml": BOMB},
    "tag": {"finance.yaml": GROUP.replace("15m", "!!python/object:os.system 15m")},
    "tab": {"finance.yaml": GROUP.replace("  times:", "\ttimes:")},
    "duplicate_key": {"finance.yaml": GROUP + "retention: 7d\n"},
    "unknown_host": {"finance.yaml": GROUP.replace("host: hv1", "host: hv3")},
    "unknown_pool": {"finance.yaml": GROUP.replace("pool: main", "pool: offsite")},
    "unknown_key": {"finance.yaml": GROUP.replace("retention:", "retension:")},
    "values": {
        "finance.yaml": GROUP.replace("30d", "30 days")
        .replace('"18:00"', "6pm")
        .replace("Europe/Berlin", "Berlin")
    },
    "literal_password": {"hosts.yaml": HOSTS.replace("file:.lab/password", "hunter2")},
    "backslash": {"hosts.yaml": HOSTS.replace(r"'LAB\reconciler'", r'"LAB\reconciler"')},
    "warnings": {"finance.yaml": GROUP.replace("30d", "500d").replace("15m", "5m")},
    "empty_file": {"finance.yaml": ""},
    "twice": {"copy.yaml": GROUP},
    "group_keys": {"finance.yaml": HEAD + KEYS},
    "contradictions": {"finance.yaml": HEAD + CONTRADICTIONS},
    "clusters": {"clusters.yaml": CLUSTERS},
    "references": {
        "clusters.yaml": CLUSTERS.split("---", maxsplit=1)[0].replace(", hv3", ""),
        "finance.yaml": GROUP.partition("members:")[0] + REFERENCES + GROUP[GROUP.index("pool:") :],
    },
    "certificate": {
        "hosts.yaml": HOSTS.replace("authentication: ntlm ", "authentication: certificate ")
        .replace("port: 5985 ", "trust: ca.pem ")
        .replace("hv2\n", "hv2\ncertificate_key: -----BEGIN\n", 1)
    },
    "membership": {"nodes.yaml": MEMBERSHIP},
    "page_files": {"finance.yaml": GROUP + PAGE_FILES},
    "kerberos": {
        "nodes.yaml": NODE[4:].format(name="n1", membership="workgroup", authentication="kerberos")
        + ACCOUNT,
        "more.yaml": NODE[4:]
        .format(name="n2", membership="trusted_domain", authentication="kerberos")
        .replace("n2.example.com", "192.0.2.7"),
    },
    "file_server": {"servers.yaml": SERVER},
}


def check(folder: Path, changes: dict[str, str], *options: str) -> Result:
    """Run the command over the committed policies with some files changed."""
    for path in (ROOT / "policies").glob("*.yaml"):
        (folder / path.name).write_bytes(path.read_bytes())
    for name, text in changes.items():
        (folder / name).write_bytes(text.encode())
    return CliRunner().invoke(command, [str(folder), *options])


@pytest.mark.parametrize("case", CASES)
def test_bad_input_is_explained_word_by_word(
    case: str, tmp_path: Path, pytestconfig: pytest.Config
) -> None:
    result = check(tmp_path, CASES[case])
    shown = result.output.replace(str(tmp_path), "policies")
    golden = GOLDEN / f"{case}.txt"
    if pytestconfig.getoption("--update-golden", default=False):
        golden.write_text(shown, encoding="utf-8")

    assert shown == golden.read_text(encoding="utf-8")
    assert result.exit_code == (0 if case == "warnings" else 3)
    assert "hint: " in shown


def test_the_committed_policies_are_right(tmp_path: Path) -> None:
    result = check(tmp_path, {})
    assert result.output == "4 files, 5 policies: no errors, no warnings\n"
    assert result.exit_code == 0


def test_json_carries_every_part_of_a_complaint(tmp_path: Path) -> None:
    result = check(tmp_path, CASES["unknown_host"], "--output", "json")
    printed = json.loads(result.output)
    assert result.exit_code == 3
    assert (printed["files"], printed["errors"], printed["warnings"]) == (4, 1, 0)
    assert printed["complaints"] == [
        {
            "file": (tmp_path / "finance.yaml").as_posix(),
            "line": 9,
            "column": 11,
            "code": "policy.conflict",
            "severity": "error",
            "field": "members[0].host",
            "message": "there is no host 'hv3'",
            "hint": "did you mean 'hv2'?",
        }
    ]


def test_one_file_is_checked_without_its_neighbours() -> None:
    result = CliRunner().invoke(command, [str(ROOT / "policies" / "finance.yaml")])
    assert result.output == "1 file, 1 policy: no errors, no warnings\n"
    assert result.exit_code == 0
