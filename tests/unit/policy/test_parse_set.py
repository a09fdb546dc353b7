from collections.abc import Mapping

from reconciler.model.names import HostName
from reconciler.policy.complaints import Severity
from reconciler.policy.parse import ParsedSet, parse_set

HOSTS = b"""\
schema: reconciler/v1
kind: HyperVHost
name: hv1
address: hv1.example.com
user: u
password: env:P
"""
POOL = b"""\
schema: reconciler/v1
kind: StoragePool
name: main
volumes: [{name: main-1, path: /backup/1}]
"""
GROUP = b"""\
schema: reconciler/v1
kind: ProtectionGroup
name: finance
members: [{host: hv1, name: "fin-*"}]
pool: main
retention: 30d
recovery_points: {times: ["08:00"]}
zone: Europe/Berlin
"""
CLUSTER = b"""\
schema: reconciler/v1
kind: HyperVCluster
name: production
nodes: [hv1]
"""
SERVER = b"""\
schema: reconciler/v1
kind: FileServer
name: fs1
address: fs1.example.com
"""
GOOD = {"finance.yaml": GROUP, "hosts.yaml": HOSTS, "storage.yaml": POOL}


def changed(**files: bytes | None) -> dict[str, bytes]:
    """The good set with some files (without .yaml) replaced, or removed by None."""
    wanted: Mapping[str, bytes | None] = GOOD | {f"{name}.yaml": raw for name, raw in files.items()}
    return {path: raw for path, raw in wanted.items() if raw is not None}


def errors(parsed: ParsedSet) -> list[str]:
    return [f"{c.path}:{c.line}:{c.column} {c.text}" for c in parsed.errors]


def warnings(parsed: ParsedSet) -> list[str]:
    found = [c for c in parsed.complaints if c.severity is Severity.WARNING]
    return [f"{c.path} {c.text}" for c in found]


def names(parsed: ParsedSet) -> list[str]:
    return [policy.name for policy in parsed.policies.policies]


def test_a_good_set_has_everything_in_force() -> None:
    parsed = parse_set(GOOD)
    assert names(parsed) == ["finance", "hv1", "main"]
    assert (parsed.complaints, parsed.broken, parsed.has_hole) == ((), (), False)


def test_an_empty_set_is_an_error_and_never_nothing_to_protect() -> None:
    parsed = parse_set({})
    assert errors(parsed) == ["policies:1:1 no policy files"]
    assert parsed.has_hole


def test_an_emptied_folder_leaves_the_last_good_set_in_force() -> None:
    parsed = parse_set({}, GOOD)
    assert errors(parsed) == ["policies:1:1 no policy files"]
    assert names(parsed) == ["finance", "hv1", "main"]
    assert not parsed.has_hole


def test_a_broken_file_leaves_its_last_good_version_in_force() -> None:
    parsed = parse_set(changed(finance=b"a: ["), GOOD)
    assert names(parsed) == ["finance", "hv1", "main"]
    assert parsed.broken == ("finance.yaml",)
    assert not parsed.has_hole
    assert warnings(parsed) == [
        "finance.yaml its last good version stays in force until the errors are repaired"
    ]


def test_a_broken_file_that_was_never_good_leaves_a_hole() -> None:
    parsed = parse_set(changed(web=b"a: ["), GOOD)
    assert names(parsed) == ["finance", "hv1", "main"]
    assert parsed.broken == ("web.yaml",)
    assert parsed.has_hole


def test_a_broken_file_of_hosts_is_not_reported_as_unknown_hosts_too() -> None:
    parsed = parse_set(changed(hosts=b"a: ["))
    assert [line.split(" ")[0] for line in errors(parsed)] == ["hosts.yaml:1:5"]
    assert names(parsed) == ["main"]
    assert parsed.has_hole


def test_a_host_or_pool_that_is_not_there_is_named_with_the_nearest() -> None:
    group = GROUP.replace(b"hv1", b"hv2").replace(b"pool: main", b"pool: mian")
    parsed = parse_set(changed(finance=group))
    assert errors(parsed) == [
        "finance.yaml:4:18 there is no host 'hv2'",
        "finance.yaml:5:7 there is no pool 'mian'",
    ]
    assert [c.hint for c in parsed.errors] == ["did you mean 'hv1'?", "did you mean 'main'?"]
    assert names(parsed) == ["hv1", "main"]
    assert parsed.has_hole


def test_a_changed_group_that_fits_no_more_stays_as_it_was() -> None:
    parsed = parse_set(changed(finance=GROUP.replace(b"hv1", b"hv9")), GOOD)
    assert names(parsed) == ["finance", "hv1", "main"]
    assert parsed.broken == ("finance.yaml",)
    assert not parsed.has_hole


def test_a_removed_host_that_a_group_still_names_stays_in_force() -> None:
    parsed = parse_set(changed(hosts=None), GOOD)
    assert errors(parsed) == ["finance.yaml:4:18 there is no host 'hv1'"]
    assert names(parsed) == ["finance", "hv1", "main"]
    assert warnings(parsed) == [
        (
            "hosts.yaml the file is gone; its last good version stays in force"
            " until the errors are repaired"
        )
    ]
    assert not parsed.has_hole


def test_a_file_that_was_removed_with_everything_that_named_it_is_gone() -> None:
    parsed = parse_set(changed(finance=None), GOOD)
    assert names(parsed) == ["hv1", "main"]
    assert (parsed.complaints, parsed.has_hole) == ((), False)


def test_of_two_policies_with_one_name_the_newcomer_is_to_blame() -> None:
    copy = GROUP.replace(b"30d", b"7d")
    parsed = parse_set(changed(a_copy=copy), GOOD)
    assert errors(parsed) == [
        "a_copy.yaml:3:7 there are two policies of kind ProtectionGroup with the name 'finance'"
    ]
    assert [group.retention.days for group in parsed.policies.groups] == [30]
    assert "finance.yaml" in parsed.errors[0].hint


def test_names_are_unique_for_each_kind_only() -> None:
    parsed = parse_set(changed(finance=GROUP.replace(b"name: finance", b"name: main")))
    assert parsed.complaints == ()


def test_two_pools_in_one_folder_and_two_hosts_at_one_address_are_refused() -> None:
    second = POOL.replace(b"name: main\n", b"name: other\n").replace(b"/1", b"/1/")
    host = HOSTS.replace(b"name: hv1", b"name: hv2").replace(b"hv1.ex", b"HV1.ex")
    parsed = parse_set(changed(x=second + b"---\n" + host))
    assert errors(parsed) == [
        "x.yaml:4:32 two pools have a volume at '/backup/1'",
        "x.yaml:9:10 there are two hosts at hv1.example.com:5985",
    ]


def test_every_reference_that_leads_nowhere_is_named_with_the_nearest() -> None:
    group = GROUP.replace(
        b'members: [{host: hv1, name: "fin-*"}]',
        b"members: [{cluster: prodution}]\nexclude: [{host: hv7, cluster: x, reason: r}]",
    )
    parsed = parse_set(changed(finance=group, cluster=CLUSTER.replace(b"hv1", b"hv1, hv9")))
    assert [(line, c.hint) for line, c in zip(errors(parsed), parsed.errors, strict=True)] == [
        ("cluster.yaml:4:14 there is no host 'hv9'", "did you mean 'hv1'?"),
        ("finance.yaml:4:21 there is no cluster 'prodution'", "did you mean 'production'?"),
        ("finance.yaml:5:18 there is no host 'hv7'", "did you mean 'hv1'?"),
        ("finance.yaml:5:32 there is no cluster 'x'", "known clusters: production"),
    ]


def test_a_host_is_a_node_of_one_cluster() -> None:
    second = CLUSTER.replace(b"production", b"test")
    parsed = parse_set(changed(cluster=CLUSTER + b"---\n" + second))
    assert errors(parsed) == ["cluster.yaml:9:9 the host 'hv1' is a node of two clusters"]
    assert parsed.errors[0].hint == (
        "the first is 'production' in cluster.yaml; change one of the two"
    )


def test_a_selector_that_no_machine_can_ever_match_is_refused() -> None:
    host = HOSTS.replace(b"name: hv1", b"name: hv2").replace(b"hv1.ex", b"hv2.ex")
    group = GROUP.replace(b"host: hv1,", b"host: hv2, cluster: production,")
    parsed = parse_set(changed(cluster=CLUSTER, more=host, finance=group))
    assert errors(parsed) == ["finance.yaml:4:18 'hv2' is no node of the cluster 'production'"]
    assert parsed.errors[0].hint == "remove one of the two keys; its nodes: hv1"


def test_a_host_and_the_cluster_that_it_is_a_node_of_fit_together() -> None:
    group = GROUP.replace(b"host: hv1,", b"host: hv1, cluster: production,")
    assert parse_set(changed(cluster=CLUSTER, finance=group)).complaints == ()


def test_disk_paths_lead_to_one_file_server() -> None:
    second = SERVER.replace(b"name: fs1", b"name: fs2").replace(b"fs1.ex", b"x.ex")
    parsed = parse_set(changed(server=SERVER, x=second + b"unc_name: FS1.example.com\n"))
    assert errors(parsed) == [
        "x.yaml:5:11 there are two file servers that disk paths call 'FS1.example.com'"
    ]


def told(parsed: ParsedSet) -> dict[str, str]:
    return {path: parsed.in_force_for(path) for path in parsed.broken}


def test_a_broken_file_with_a_last_good_version_is_no_hole() -> None:
    parsed = parse_set(changed(finance=b"a: ["), GOOD)
    assert (parsed.broken, parsed.stand_ins, parsed.holes) == (
        ("finance.yaml",),
        ("finance.yaml",),
        (),
    )
    assert told(parsed) == {"finance.yaml": "its last good version is in force"}


def test_a_broken_file_without_one_is_a_hole_and_so_is_what_names_its_policies() -> None:
    parsed = parse_set(changed(hosts=b"a: ["))
    assert (parsed.broken, parsed.stand_ins) == (("hosts.yaml",), ())
    assert parsed.holes == ("finance.yaml", "hosts.yaml")
    assert told(parsed) == {
        "hosts.yaml": "nothing stands in for it: machines that it may claim are held"
    }


def test_a_file_that_is_gone_but_still_needed_is_stood_in_for() -> None:
    parsed = parse_set(changed(hosts=None), GOOD)
    assert (parsed.stand_ins, parsed.holes) == (("finance.yaml", "hosts.yaml"), ())


def test_a_newcomer_that_does_not_fit_leaves_the_last_good_set_as_it_was() -> None:
    parsed = parse_set(changed(copy=GROUP.replace(b"30d", b"7d")), GOOD)
    assert (parsed.broken, parsed.stand_ins, parsed.holes) == (("copy.yaml",), (), ())
    assert told(parsed) == {
        "copy.yaml": "it is not in force; the last good version of all files is"
    }
    assert names(parsed) == ["finance", "hv1", "main"]


def test_a_last_good_version_that_todays_rules_refuse_leaves_a_hole() -> None:
    older = GOOD | {"finance.yaml": GROUP + b"colour: red\n"}
    parsed = parse_set(changed(finance=b"a: ["), older)
    assert (parsed.holes, parsed.stand_ins, parsed.has_hole) == (("finance.yaml",), (), True)


def test_a_set_without_clusters_has_no_cluster_for_a_host() -> None:
    assert parse_set(GOOD).policies.cluster_of(HostName("hv1")) == ""
    with_cluster = parse_set(changed(cluster=CLUSTER)).policies
    assert with_cluster.cluster_of(HostName("hv1")) == "production"
    assert with_cluster.cluster_of(HostName("hv2")) == ""


def test_the_digest_ignores_comments_order_and_spelling() -> None:
    group = b"# words\n" + GROUP.replace(b"30d", b"720h").replace(b'"08:00"', b"'08:00'")
    lines = group.splitlines(keepends=True)
    reordered = b"".join([lines[0], *reversed(lines[1:])])
    one_file = {"all.yml": POOL + b"---\n" + reordered + b"---\n" + HOSTS}
    assert parse_set(one_file).policies.digest == parse_set(GOOD).policies.digest


def test_the_digest_tells_policies_apart() -> None:
    other = parse_set(changed(finance=GROUP.replace(b"30d", b"31d"))).policies
    assert other.digest != parse_set(GOOD).policies.digest
