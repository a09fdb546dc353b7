"""Where policies and clusters disagree, and which nodes a machine may go to."""

from collections.abc import Callable
from dataclasses import replace

import pytest

from reconciler.model.machine import ClusterFacts, VirtualMachine
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.plan.actions import Plan, Severity
from reconciler.plan.clusters import findings, neighbours
from reconciler.policy.hosts import HyperVCluster
from reconciler.policy.policy_set import PolicySet

MakeObserved = Callable[..., Observed]
HV1, HV2, HV3 = HostName("hv1"), HostName("hv2"), HostName("hv3")
UP = {"hv1": "Up", "hv2": "Up", "hv3": "Up"}


def wanted(*nodes: str) -> PolicySet:
    declared = {"schema": "reconciler/v1", "kind": "HyperVCluster", "name": "fin", "nodes": nodes}
    return PolicySet(clusters=(HyperVCluster.model_validate(declared),)) if nodes else PolicySet()


@pytest.fixture
def three(make_observed: MakeObserved, with_host: MakeObserved) -> MakeObserved:
    """Three nodes of one cluster; the silent ones say nothing."""

    def make(silent: tuple[str, ...] = (), **states: str) -> Observed:
        observed = make_observed(silent=silent)
        cluster = ClusterFacts("FIN", UP | states, {})
        for host in sorted(UP.keys() - set(silent)):
            observed = with_host(observed, host, cluster=cluster)
        return observed

    return make


def codes(policies: PolicySet, observed: Observed) -> list[tuple[str, str]]:
    return [(f.code, f.about) for f in findings(policies, observed)]


def test_a_cluster_that_the_policies_know_as_it_is_is_no_news(three: MakeObserved) -> None:
    assert codes(wanted("hv1", "hv2", "hv3"), three()) == []
    assert codes(wanted("hv1", "hv2", "hv3"), three(silent=("hv2", "hv3"))) == []


def test_a_machine_may_go_to_every_other_node_also_to_a_silent_one(three: MakeObserved) -> None:
    expected = {HV1: (HV2, HV3), HV2: (HV1, HV3), HV3: (HV1, HV2)}

    assert neighbours(wanted(), three()) == expected
    assert neighbours(wanted("hv1", "hv2", "hv3"), three(silent=("hv2", "hv3"))) == expected
    assert neighbours(wanted(), three(silent=("hv2", "hv3"))) == {}


def test_a_node_that_no_policy_describes_is_named_with_what_to_do(
    three: MakeObserved,
) -> None:
    (found,) = findings(wanted("hv1", "hv2", "hv3"), three(hv4="Up"))

    assert (found.code, found.severity) == ("cluster.node_not_described", Severity.WARNING)
    assert "node hv4" in found.message
    assert "HyperVHost" in found.hint
    (unsure,) = findings(wanted("hv1", "hv2", "hv3"), three(silent=("hv3",), hv4="Up"))
    assert unsure.severity is Severity.INFO


def test_a_node_that_no_cluster_policy_names_is_told(three: MakeObserved) -> None:
    assert codes(wanted("hv1", "hv2"), three()) == [("cluster.not_declared", "fin")]
    assert codes(wanted(), three()) == [("cluster.not_declared", "fin")]


def test_a_host_that_is_no_node_is_told_and_one_that_is_silent_is_not(
    three: MakeObserved, with_host: MakeObserved
) -> None:
    policies = wanted("hv1", "hv2", "hv3", "hv9")

    assert codes(policies, with_host(three(), "hv9")) == [("cluster.no_node", "hv9")]
    elsewhere = with_host(three(), "hv9", cluster=ClusterFacts("other", {"hv9": "Up"}, {}))
    assert codes(policies, elsewhere) == [("cluster.no_node", "hv9")]
    assert codes(policies, three()) == []


@pytest.mark.parametrize("state", ["Failed", "PartialOnline", "Online", "Offline"])
def test_a_group_that_failed_is_told(
    make_vm: Callable[..., VirtualMachine],
    make_observed: MakeObserved,
    with_host: MakeObserved,
    state: str,
) -> None:
    machine = make_vm()
    cluster = ClusterFacts("fin", {"hv1": "Up"}, {machine.id: "hv1"}, {machine.id: state})
    observed = with_host(make_observed(machine), "hv1", cluster=cluster)
    is_told = ("cluster.group_failed", "erp") in codes(wanted("hv1"), observed)

    assert is_told is (state in {"Failed", "PartialOnline"})


def test_nothing_is_begun_on_a_machine_whose_group_is_pending(
    make_vm: Callable[..., VirtualMachine],
    make_observed: MakeObserved,
    with_host: MakeObserved,
    plan_of: Callable[..., Plan],
) -> None:
    machine = make_vm()
    cluster = ClusterFacts("fin", {"hv1": "Up"}, {machine.id: "hv1"}, {machine.id: "Pending"})
    waits = with_host(make_observed(machine), "hv1", cluster=cluster)
    goes = with_host(waits, "hv1", cluster=replace(cluster, group_states={}))

    assert plan_of(waits).actions == ()
    assert "waiting.machine" in {f.code for f in plan_of(waits).findings}
    assert len(plan_of(goes).actions) == 1
