"""Names, sizes and errors as the house wants them."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from reconciler import errors

ROOT = Path(reconciler.__file__).parent
MODULES = sorted(ROOT.rglob("*.py"))
MOST_LINES = 365
"""A module over 300 lines is worth a second look; the contract is one table on purpose."""
FORBIDDEN = {"utils", "helpers", "common", "base", "misc", "manager", "service", "core"}


def classes() -> Iterator[type[errors.ReconcilerError]]:
    return (
        each
        for each in vars(errors).values()
        if isinstance(each, type) and issubclass(each, errors.ReconcilerError)
    )


def test_no_module_has_a_name_that_says_nothing() -> None:
    assert [m.name for m in MODULES if m.stem in FORBIDDEN] == []


def test_no_module_is_too_long() -> None:
    lengths = {
        m.relative_to(ROOT): len(m.read_text(encoding="utf-8").splitlines()) for m in MODULES
    }

    assert {m: n for m, n in lengths.items() if n > MOST_LINES} == {}


def test_every_package_tells_its_chapter() -> None:
    for package in ROOT.rglob("__init__.py"):
        text = ast.get_docstring(ast.parse(package.read_text(encoding="utf-8"))) or ""
        assert len(text) > 60, package


def test_codes_of_errors_are_unique_and_begin_with_their_family() -> None:
    found = [each.code for each in classes()]

    assert len(found) == len(set(found))
    for each in classes():
        family = each.__mro__[1]
        if issubclass(family, errors.ReconcilerError) and family is not errors.ReconcilerError:
            assert each.code.startswith(family.code.split(".")[0] + ".")


def test_every_error_is_drawn_in_the_tree() -> None:
    tree = errors.__doc__ or ""

    assert [each.__name__ for each in classes() if each.__name__ not in tree] == []


@pytest.mark.parametrize("path", MODULES, ids=lambda p: str(p.relative_to(ROOT)))
def test_nothing_is_left_for_later_without_an_issue(path: Path) -> None:
    text = path.read_text(encoding="utf-8")

    assert not re.search(r"\b(TODO|FIXME|XXX)\b(?!.*#\d+)", text)
