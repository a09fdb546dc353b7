import pytest
from pydantic import ValidationError

from reconciler.model.names import HostName, VmId
from reconciler.policy.selectors import Selector, glob_matches, matches

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


def test_every_key_that_is_given_has_to_match() -> None:
    both = Selector(host="hv1", name="fin-*")
    assert matches(both, HV1, "fin-db", ID)
    assert not matches(both, HostName("hv2"), "fin-db", ID)
    assert not matches(both, HV1, "web-1", ID)


def test_an_id_matches_in_any_case() -> None:
    by_id = Selector(id=ID.upper())
    assert matches(by_id, HV1, "any", ID)
    assert matches(by_id, HV1, "any", VmId(ID.upper()))
    assert not matches(by_id, HV1, "any", VmId(ID.replace("6", "7")))


def test_a_selector_without_keys_would_take_everything_so_it_is_refused() -> None:
    with pytest.raises(ValidationError, match="at least one of: host, name, id"):
        Selector()
