"""Laws of reading policies: same data as a trusted loader, exact places, no surprises."""

import io
from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from reconciler.policy.complaints import Source
from reconciler.policy.parse import parse_file, parse_set
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.yaml_events import read_documents

KEY = st.text(st.characters(min_codepoint=97, max_codepoint=122), min_size=1, max_size=6)


def trees(without: str) -> st.SearchStrategy[dict[str, object]]:
    """Documents whose texts lack some characters."""
    characters = st.characters(
        codec="utf-8", categories=("L", "N", "P", "S", "Zs"), exclude_characters=without
    )
    text = st.text(characters, max_size=12).filter(lambda text: not text.startswith("?"))
    scalar = st.none() | st.booleans() | st.integers(-(10**9), 10**9) | text
    value = st.recursive(
        scalar,
        lambda inner: st.lists(inner, max_size=4) | st.dictionaries(KEY, inner, max_size=4),
        max_leaves=20,
    )
    return st.dictionaries(KEY, value, min_size=1, max_size=5)


# Inside brackets the library writes : and ? without quotes, and libyaml does not read them.
DOCUMENTS = st.tuples(trees(""), st.just(value=False)) | st.tuples(trees(":?"), st.just(value=True))
CHARACTERS = "ab: -[]{}&*!<>|'\"\n\t#,?%@0.1~\r\x85\u2028\x00é"
WORDS = (
    *("---\n", "\n  ", "\nkind: StoragePool\n", "\nschema: reconciler/v1\n", "name: a\n"),
    *("volumes: ", "&a ", "*a ", "<<: ", "!!x ", "password: "),
)
SCRAPS = st.sampled_from([*CHARACTERS, *WORDS])
SCRAWL = st.lists(SCRAPS, max_size=40).map("".join)
GOOD = """\
schema: reconciler/v1
kind: ProtectionGroup
name: g
members:
  - {host: h1, labels: {tier: gold}}
  - cluster: c
exclude: [{name: x, reason: y}]
pool: main
retention: 30d
recovery_points: {times: ['08:00'], days_of_month: [1, last], months: [jan]}
synchronization: 1h
consistency_check: {schedule: {times: ['03:00'], weekdays: [sun]}}
initial_replication: {quiet_time: {start: '22:00', end: '06:00'}}
zone: UTC
"""
OTHERS = """\
schema: reconciler/v1
kind: HyperVHost
name: h1
address: h1
user: u
password: env:P
---
schema: reconciler/v1
kind: HyperVCluster
name: c
nodes: [h1]
---
schema: reconciler/v1
kind: StoragePool
name: main
volumes: [{name: v, path: /v}]
"""
GOOD_SET = {"o.yaml": OTHERS.encode(), "p.yaml": GOOD.encode()}


def written(tree: object, *, is_flow: bool) -> str:
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = is_flow
    yaml.width = 10**6
    out = io.StringIO()
    yaml.dump(tree, out)
    return out.getvalue()


def walk(
    tree: dict[str, object] | list[object], way: tuple[str | int, ...] = ()
) -> Iterator[tuple[str | int, ...]]:
    steps = tree.items() if isinstance(tree, dict) else enumerate(tree)
    for step, value in steps:
        yield (*way, step)
        if isinstance(value, dict | list):
            yield from walk(value, (*way, step))


@settings(max_examples=150, deadline=None)
@given(DOCUMENTS)
def test_documents_mean_what_the_library_says_and_keys_are_where_it_says(
    drawn: tuple[dict[str, object], bool],
) -> None:
    tree, is_flow = drawn
    text = written(tree, is_flow=is_flow)
    assert YAML(typ="safe", pure=True).load(text) == tree

    (document,) = read_documents(text, with_positions=True)

    assert document.data == tree
    assert document.node is not None
    lines = Source("p.yaml", text.encode()).lines
    for way in walk(tree):
        line, column = document.node.find(way, key=True)
        if isinstance(way[-1], str):
            assert lines[line - 1][column - 1 :].lstrip("'\"? ").startswith(way[-1])


@settings(max_examples=400, deadline=None)
@given(SCRAWL)
def test_no_text_surprises_and_every_complaint_is_inside_the_file(text: str) -> None:
    parsed = parse_file("p.yaml", text.encode())

    lines = Source("p.yaml", text.encode()).lines
    for complaint in parsed.complaints:
        assert 1 <= complaint.line <= len(lines)
        assert 1 <= complaint.column <= len(lines[complaint.line - 1]) + 1
        assert complaint.render()
    assert bool(parsed.documents) or parsed.is_broken


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60))
def test_no_bytes_surprise(raw: bytes) -> None:
    parsed = parse_set({"p.yaml": raw, "q.yaml": GOOD.encode()}, {"q.yaml": raw})
    assert parsed.errors


DAMAGES = st.tuples(st.integers(0, len(GOOD + OTHERS)), st.integers(0, 8), SCRAWL)


def damaged(damage: tuple[int, int, str]) -> dict[str, bytes]:
    at, length, scrawl = damage
    whole = OTHERS + GOOD
    whole = whole[:at] + scrawl[:6] + whole[at + length :]
    cut = max(0, whole.rfind("schema: "))
    return {"o.yaml": whole[:cut].encode(), "p.yaml": whole[cut:].encode()}


def assert_whole(policies: PolicySet) -> None:
    """Every name in it leads somewhere."""
    hosts = {host.name for host in policies.hosts}
    clusters = {cluster.name for cluster in policies.clusters}
    selectors = [s for group in policies.groups for s in (*group.members, *group.exclude)]
    assert {group.pool for group in policies.groups} <= {pool.name for pool in policies.pools}
    assert {s.host for s in selectors if s.host} <= hosts
    assert {s.cluster for s in selectors if s.cluster} <= clusters
    assert {node for cluster in policies.clusters for node in cluster.nodes} <= hosts


def test_the_set_that_is_damaged_below_is_good() -> None:
    parsed = parse_set(GOOD_SET)
    assert len(parsed.policies.policies) == 4
    assert parsed.complaints == ()


@settings(max_examples=300, deadline=None)
@given(DAMAGES)
def test_a_damaged_set_is_used_as_far_as_it_is_whole(damage: tuple[int, int, str]) -> None:
    parsed = parse_set(damaged(damage))
    assert_whole(parsed.policies)
    assert parsed.has_hole == bool(parsed.holes) == bool(parsed.errors)
    assert set(parsed.broken) <= set(parsed.holes)
    assert parsed.stand_ins == ()


@settings(max_examples=300, deadline=None)
@given(DAMAGES)
def test_where_there_was_a_good_set_a_damaged_one_leaves_no_hole(
    damage: tuple[int, int, str],
) -> None:
    files = damaged(damage)
    parsed = parse_set(files, GOOD_SET)
    assert_whole(parsed.policies)
    assert (parsed.holes, parsed.has_hole) == ((), False)
    assert set(parsed.broken) <= set(parsed.stand_ins)
    assert {p.kind for p in parsed.policies.policies} == {
        *("ProtectionGroup", "HyperVHost", "HyperVCluster", "StoragePool")
    }
