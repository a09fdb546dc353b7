import pytest

from reconciler.policy.complaints import Position
from reconciler.policy.yaml_events import read_documents
from reconciler.policy.yaml_nodes import Limits
from reconciler.policy.yaml_text import YamlRefusedError, decode


def data(text: str) -> list[object]:
    return [document.data for document in read_documents(text)]


def refusal(text: str, limits: Limits | None = None) -> tuple[Position, str]:
    with pytest.raises(YamlRefusedError) as caught:
        read_documents(text, limits)
    position, remark = caught.value.found[0]
    return position, remark.text


@pytest.mark.parametrize(
    ("text", "value"),
    [
        *((word, word) for word in ("yes", "on", "012", "1_000", ".inf", "08:00", "+")),
        *(("~", None), ("null", None), ("true", True), ("FALSE", False), ("'1'", "1")),
        *(("12", 12), ("-3", -3), ("0x1F", 31), ("0o17", 15), ("1.5", 1.5), (".5", 0.5)),
        *(("1e3", 1000.0), ("2025-01-01", "2025-01-01")),
    ],
)
def test_words_and_numbers_are_those_of_yaml_1_2(text: str, value: object) -> None:
    (found,) = data(f"- {text}")
    assert found == [value]


def test_a_number_of_absurd_length_stays_text() -> None:
    assert data("9" * 5000) == ["9" * 5000]
    assert data("0x" + "f" * 5000) == ["0x" + "f" * 5000]


def test_several_documents_a_text_and_empty_ones_are_none() -> None:
    assert data("---\n# nothing\n---\na: 1\n---\nb: 2\n---\n") == [{"a": 1}, {"b": 2}]
    assert data("") == []


def test_an_alias_stands_for_its_value_in_its_own_document_only() -> None:
    assert data("a: &x [1]\nb: *x\n") == [{"a": [1], "b": [1]}]
    assert refusal("a: &x 1\n---\nb: *x\n") == (
        (3, 4),
        "*x has no &x before it in this document",
    )


def test_a_value_that_holds_itself_is_refused() -> None:
    assert refusal("&a [*a]") == ((1, 5), "*a points into itself")
    assert refusal("a: &a 1\nb: &a [*a]") == ((2, 8), "*a points into itself")


def test_expanded_aliases_count_each_time() -> None:
    text = "a: &a [1, 1, 1]\nb: &b [*a, *a, *a]\nc: [*b, *b, *b]\n"
    assert refusal(text, Limits(values=40))[0] == (3, 9)
    assert data(text)


def test_too_many_aliases_are_refused() -> None:
    assert refusal("a: &a 1\nb: [*a, *a, *a]", Limits(aliases=2)) == (
        (2, 13),
        "more than 2 aliases",
    )


def test_depth_is_bounded_far_below_what_would_end_the_process() -> None:
    assert refusal("[" * 40_000) == ((1, 33), "nested more than 32 levels deep")
    assert refusal("- " * 40_000)[1] == "nested more than 32 levels deep"
    assert len(data("[" * 32 + "]" * 32)) == 1


def test_every_duplicate_key_is_reported_with_the_line_of_the_first() -> None:
    with pytest.raises(YamlRefusedError) as caught:
        read_documents("a: 1\nb: {c: 1, 'c': 2}\na: 3\na: 4\n")
    assert [(at, remark.text) for at, remark in caught.value.found] == [
        ((2, 11), "this key is there twice; first on line 2"),
        ((3, 1), "this key is there twice; first on line 1"),
        ((4, 1), "this key is there twice; first on line 1"),
    ]


@pytest.mark.parametrize(
    "text", ["!!str a", "a: !x 1", "! a", "!x [1]", "!!map {}", "!x a: 1", "a: !<tag:x> 1"]
)
def test_tags_are_refused(text: str) -> None:
    assert refusal(text)[1].startswith("tags are not allowed here (")


def test_merge_keys_are_refused_but_text_that_looks_like_one_is_a_key() -> None:
    assert refusal("a: &a {b: 1}\nc:\n  <<: *a\n")[0] == (3, 3)
    assert data("'<<': 1") == [{"<<": 1}]


@pytest.mark.parametrize("text", ["[a]: 1", "? {a: 1}\n: 2", "a: &a b\n*a : 1"])
def test_a_key_is_plain_text(text: str) -> None:
    assert refusal(text)[1] == "a key has to be plain text"


def test_a_tab_in_the_indentation_is_called_by_its_name() -> None:
    assert refusal("a:\n\tb: 1\n") == ((2, 1), "tabs cannot indent YAML")
    assert refusal("a:\n  b: 1\n  \tc: 2\n") == ((3, 3), "tabs cannot indent YAML")


def test_a_tab_elsewhere_is_allowed() -> None:
    assert data("a:\tb\t# c\n") == [{"a": "b"}]


def test_a_colon_inside_brackets_gets_a_hint() -> None:
    with pytest.raises(YamlRefusedError) as caught:
        read_documents("times: [08:00]")
    assert "goes in quotes" in caught.value.found[0][1].hint


@pytest.mark.parametrize("character", ["\x00", "\x07", "\x85", "\u2028", "\u2029", "\ufffe"])
def test_characters_that_editors_hide_are_refused(character: str) -> None:
    with pytest.raises(YamlRefusedError, match="is not allowed") as caught:
        decode(f"a: 1\n# {character}".encode(), 100)
    assert caught.value.found[0][0] == (2, 3)


def test_an_open_quote_is_reported_where_it_opens() -> None:
    assert refusal("a: 1\nb: 'x\nc: 2\n")[0] == (2, 4)


def test_positions_of_keys_and_values_are_exact() -> None:
    (document,) = read_documents(
        "a:\n  - b: 1\n    'c':   x\nd: &d {e: 1}\nf: *d", with_positions=True
    )
    assert document.node is not None
    assert document.node.find(("a", 0, "c")) == (3, 12)
    assert document.node.find(("a", 0, "c"), key=True) == (3, 5)
    assert document.node.find(("f",)) == (5, 4)
    assert document.node.find(("f", "e"), key=True) == (4, 8)
    assert document.node.find(("a", 7, "c")) == (2, 3)


def test_bytes_that_are_no_text_are_refused_with_their_place() -> None:
    for raw, at in ((b"a: 1\nb: \xff", (2, 4)), (b"\xef\xbb\xbfa: \x00", (1, 4))):
        with pytest.raises(YamlRefusedError) as caught:
            decode(raw, 100)
        assert caught.value.found[0][0] == at
    with pytest.raises(YamlRefusedError, match="larger than 3 bytes"):
        decode(b"abcd", 3)
    assert decode(b"\xef\xbb\xbfa", 4) == "a"
