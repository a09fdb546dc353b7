"""Event names: one list, which the product uses whole and nothing else."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

import reconciler
from reconciler.logs import Event

ROOT = Path(reconciler.__file__).parent
LIST = ROOT / "logs" / "events.py"
LAB = ROOT / "lab"
LEVELS = {"debug", "info", "warning", "error", "exception", "critical"}


def product() -> Iterator[Path]:
    """Not the lab: its hosts are other machines, whose logs nobody reads by event."""
    return (path for path in ROOT.rglob("*.py") if path != LIST and LAB not in path.parents)


def used() -> set[str]:
    trees = (ast.parse(path.read_text(encoding="utf-8")) for path in product())
    return {name for tree in trees for name in names_used(tree)}


def names_used(tree: ast.Module) -> Iterator[str]:
    """Events by whatever name the list is imported under: threads have an Event too."""
    ours = {
        alias.asname or alias.name
        for node in ast.walk(tree)
        if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("reconciler.logs")
        for alias in node.names
        if alias.name == "Event"
    }
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=owner), attr=name) if owner in ours:
                yield name


def test_events_are_found_under_another_name_and_those_of_threads_are_not() -> None:
    text = "from reconciler.logs import (\n  Event as Log,\n)\nfrom threading import Event\n"

    assert list(names_used(ast.parse(text + "Log.A_B\nEvent.C_D"))) == ["A_B"]


def test_every_event_that_is_used_is_in_the_list() -> None:
    assert used() - set(Event.__members__) == set()


def test_every_event_in_the_list_is_used() -> None:
    assert set(Event.__members__) - used() == set()


@pytest.mark.parametrize("event", Event, ids=lambda event: event.name)
def test_an_event_is_a_past_fact_with_a_meaning(event: Event) -> None:
    assert re.fullmatch(r"[a-z]+(_[a-z]+)*\.[a-z]+(_[a-z]+)*", event.value)
    assert re.fullmatch(r"[A-Z].*\.", event.meaning)


def test_no_line_is_logged_under_a_name_of_its_own() -> None:
    assert list(own_names()) == []


def own_names() -> Iterator[str]:
    """Calls such as `log.info("…")`, whose first argument is a text."""
    for path in product():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and is_log_call(node.func) and is_text(node.args):
                yield f"{path.relative_to(ROOT)}:{node.lineno}"


def is_log_call(function: ast.expr) -> bool:
    if not (isinstance(function, ast.Attribute) and function.attr in LEVELS):
        return False
    owner = function.value
    name = owner.attr if isinstance(owner, ast.Attribute) else getattr(owner, "id", "")
    return name.strip("_") in {"log", "logger"}


def is_text(arguments: list[ast.expr]) -> bool:
    return bool(arguments) and isinstance(arguments[0], (ast.Constant, ast.JoinedStr))
