from reconciler.policy.complaints import Position, Remark, Source, did_you_mean, dotted, quoted


def test_a_complaint_shows_the_line_and_a_caret() -> None:
    source = Source("p.yaml", b"a: 1\nb:\tx\n")
    shown = source.complaint(Position(2, 4), Remark(("b", 0, "c"), "wrong", "right")).render()
    assert shown.splitlines() == [
        "p.yaml:2:4: b[0].c: wrong",
        "    2 | b: x",
        "      |    ^",
        "      = hint: right",
    ]


def test_a_long_line_is_shown_around_the_caret() -> None:
    source = Source("p.yaml", b"x" * 5_000 + b"!" + b"y" * 5_000)
    _, line, caret = source.complaint(Position(1, 5_001), Remark((), "wrong")).render().splitlines()
    assert line[caret.index("^")] == "!"
    assert len(line) < 120


def test_a_position_outside_the_file_moves_to_its_end() -> None:
    complaint = Source("p.yaml", b"a\nbc").complaint(Position(9, 9), Remark((), "wrong"))
    assert (complaint.line, complaint.column) == (2, 3)


def test_what_cannot_be_printed_is_replaced() -> None:
    rendered = Source("p.yaml", b"a\x1b[31m").complaint(Position(1, 1), Remark((), "w")).render()
    assert "\x1b" not in rendered


def test_values_are_repeated_short_and_on_one_line() -> None:
    values: list[object] = [None, True, 3, "a", "a\nb", {}, []]
    shown = ["nothing", "true", "3", "'a'", "'a\\nb'", "a mapping", "a list"]
    assert [quoted(value) for value in values] == shown
    assert len(quoted("x" * 5_000)) < 110


def test_the_nearest_name_is_proposed_or_all_of_them() -> None:
    assert did_you_mean("hots", ["host", "name"], "known keys") == "did you mean 'host'?"
    assert did_you_mean("zzz", ["host", "name"], "known keys") == "known keys: host, name"
    assert did_you_mean("zzz", [], "known keys") == ""


def test_a_location_is_bounded() -> None:
    assert len(dotted(("a" * 9_999,))) < 110
