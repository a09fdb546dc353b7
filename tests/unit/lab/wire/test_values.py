"""Answers of a body go out as declared, or not at all."""

import pytest
from psrpcore.types import PSByteArray, PSInt, PSInt64

from reconciler.agent_contract import AgentFunction, Field, Kind
from reconciler.lab.wire.body import AgentError
from reconciler.lab.wire.values import error_record, to_object

FUNCTION = AgentFunction(
    "Get-Thing",
    "",
    (),
    "Test.Thing",
    (
        Field("Count", Kind.INT),
        Field("Size", Kind.LONG),
        Field("Data", Kind.BYTES),
        Field("Names", Kind.STRINGS),
        Field("Parts", Kind.OBJECTS, fields=(Field("Size", Kind.LONG),)),
        Field("Remark", Kind.STRING, is_optional=True),
    ),
)
ANSWER: dict[str, object] = {
    "Count": 1,
    "Size": 2,
    "Data": b"x",
    "Names": ["a"],
    "Parts": [{"Size": 3}],
    "Remark": None,
}


def test_numbers_go_out_in_their_declared_width() -> None:
    made = to_object(FUNCTION, ANSWER)

    assert type(made.Count) is PSInt
    assert type(made.Size) is PSInt64
    assert type(made.Data) is PSByteArray
    assert type(made.Parts[0].Size) is PSInt64
    assert made.Remark is None
    assert made.PSTypeNames[0] == "Test.Thing"
    assert "Test.Thing" not in made.Parts[0].PSTypeNames


@pytest.mark.parametrize(
    "wrong",
    [
        {"Count": None},
        {"Count": True},
        {"Count": "1"},
        {"Data": "text"},
        {"Names": "a"},
        {"Parts": {"Size": 3}},
        {"Parts": [{"Size": "3"}]},
        {"Parts": [{"Other": 3}]},
        {"Unknown": 1},
    ],
)
def test_an_answer_that_breaks_the_contract_does_not_go_out(wrong: dict[str, object]) -> None:
    with pytest.raises(TypeError, match="Get-Thing"):
        to_object(FUNCTION, ANSWER | wrong)


def test_a_record_names_error_and_function() -> None:
    record = error_record(
        AgentError("VMNotFound", "gone", category="ObjectNotFound", target="vm"), "Get-Thing"
    )

    assert record.FullyQualifiedErrorId == "VMNotFound,Get-Thing"
    assert str(record) == "gone"
    assert record.CategoryInfo.Category.name == "ObjectNotFound"
    assert record.TargetObject == "vm"


def test_a_category_that_powershell_does_not_have_is_not_specified() -> None:
    record = error_record(AgentError("Odd", "odd", category="Nonsense"), None)

    assert record.CategoryInfo.Category.name == "NotSpecified"
    assert record.FullyQualifiedErrorId == "Odd"
