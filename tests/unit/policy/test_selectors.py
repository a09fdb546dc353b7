from dataclasses import replace

import pytest
from pydantic import ValidationError

from reconciler.model.machine import Role
from reconciler.model.names import HostName, VmId
from reconciler.policy.selectors import Candidate, Exclusion, Selector, glob_matches, matches

HV1 = HostName("hv1")
ID = VmId("6f9619ff-8b86-d011-b42d-00c04fc964ff")


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("fin-*", "fin-db"),
        ("FIN-*", "fin-"),
        ("*", ""),
        ("web-?", "WEB-1"),
        ("*a*b*", "xxaxxbxx"),
        ("straße", "STRASSE"[:4] + "ßE"),
        ("[ab]", "[AB]"),
        ("a**b", "ab"),
    ],
)
def test_a_pattern_knows_stars_and_question_marks_only(pattern: str, name: str) -> None:
    assert glob_matches(pattern, name)


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("fin-*", "xfin-db"),
        ("web-?", "web-"),
        ("web-?", "web-10"),
        ("[ab]", "a"),
        ("a", ""),
        ("", "a"),
    ],
)
def test_other_names_do_not_match(pattern: str, name: str) -> None:
    assert not glob_matches(pattern, name)


def test_a_hostile_pattern_ends_soon() -> None:
    assert not glob_matches("*a" * 120 + "b", "a" * 5_000)


def candidate(**changed: object) -> Candidate:
    usual = Candidate(HV1, "production", "fin-db", ID, Role.PRIMARY, {"Tier": "Gold", "app": "erp"})
    return replace(usual, **changed)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("selector", "other"),
    [
        ({"host": "hv1"}, {"host": "hv2"}),
        ({"cluster": "production"}, {"cluster": ""}),
        ({"name": "fin-*"}, {"name": "web-1"}),
        ({"id": ID}, {"id": VmId(ID.replace("6", "7"))}),
        ({"role": "primary"}, {"role": Role.REPLICA}),
        ({"labels": {"tier": "gold"}}, {"labels": {"app": "erp"}}),
        ({"labels": {"tier": "gold"}}, {"labels": {"tier": "silver"}}),
        ({"labels": {"tier": "gold", "app": "erp"}}, {"labels": {"tier": "gold"}}),
    ],
)
def test_a_key_picks_what_it_says_and_nothing_else(
    selector: dict[str, object], other: dict[str, object]
) -> None:
    alone = Selector.model_validate(selector)
    assert matches(alone, candidate())
    assert not matches(alone, candidate(**other))

    both = Selector.model_validate({"name": "*db", "host": "hv1"} | selector)
    assert matches(both, candidate())
    assert not matches(both, candidate(**other))
    assert not matches(both, candidate(host="hv2"))


def test_an_id_and_labels_match_in_any_case() -> None:
    by_id = Selector(id=ID.upper())
    assert matches(by_id, candidate())
    assert matches(by_id, candidate(id=VmId(ID.upper())))
    assert matches(Selector(labels={"TIER": "GOLD"}), candidate())


def test_without_a_role_every_role_is_meant() -> None:
    assert all(matches(Selector(name="*"), candidate(role=role)) for role in Role)


def test_the_roles_of_policies_are_those_of_machines() -> None:
    for role in Role:
        assert matches(Selector.model_validate({"role": role.value}), candidate(role=role))


def test_a_selector_without_keys_would_take_everything_so_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one of: host, cluster, name, id, role"):
        Selector()
    with pytest.raises(ValidationError, match="an exclusion needs at least one of: host, cluster"):
        Exclusion(reason="all of them")
