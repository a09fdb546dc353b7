import pytest

from reconciler.model.labels import labels_of


@pytest.mark.parametrize(
    ("notes", "labels"),
    [
        ("", {}),
        ("Made by Ada.\nlabels: tier=gold, app=erp\nCall 4711.", {"tier": "gold", "app": "erp"}),
        ("labels: tier=gold app=erp", {"tier": "gold", "app": "erp"}),
        ("labels:tier=gold,app=erp,", {"tier": "gold", "app": "erp"}),
        ("  Labels: Tier=Gold\r\nLABELS: app=erp", {"Tier": "Gold", "app": "erp"}),
        ("labels: url=a=b", {"url": "a=b"}),
    ],
)
def test_labels_are_words_of_the_lines_that_begin_so(notes: str, labels: dict[str, str]) -> None:
    assert labels_of(notes) == labels


@pytest.mark.parametrize(
    "notes",
    [
        "tier=gold",
        "see labels: tier=gold",
        "label: tier=gold",
        "labels tier=gold",
        "labels: tier gold",
        "labels: tier=, =gold, =",
    ],
)
def test_other_words_are_no_labels(notes: str) -> None:
    assert labels_of(notes) == {}


def test_of_two_labels_with_one_key_the_later_is_meant() -> None:
    assert labels_of("labels: tier=gold, tier=silver") == {"tier": "silver"}
    assert labels_of("labels: tier=gold\nlabels: tier=bronze") == {"tier": "bronze"}
