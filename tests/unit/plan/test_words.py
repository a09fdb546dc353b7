"""How findings put things."""

import shlex

import pytest

from reconciler.plan.words import counted, listed, request_command


def test_one_is_not_many() -> None:
    assert [counted(n, "point") for n in (0, 1, 2)] == ["0 points", "1 point", "2 points"]


@pytest.mark.parametrize("name", ["erp", "FIN-SQL01", "a b", "it's", "-rf", "", "$(reboot)", "ö"])
def test_a_command_names_one_machine_whatever_it_is_called(name: str) -> None:
    typed = request_command("backup", name)

    assert shlex.split(typed) == ["reconciler", "request", "backup", name]


def test_a_plain_name_is_not_quoted() -> None:
    assert request_command("expiry", "FIN-SQL01.x_y") == "reconciler request expiry FIN-SQL01.x_y"


def test_a_long_list_is_cut_and_counted() -> None:
    names = [f"m{n}" for n in range(12)]

    assert listed(names[:2]) == "m0, m1"
    assert listed(names[:10]).endswith("m9")
    assert listed(names).endswith("m9 and 2 more")
