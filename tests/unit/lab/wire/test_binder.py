"""Parameters are bound, and refused, as PowerShell does it."""

import pytest

from reconciler import agent_contract as contract
from reconciler.agent_contract import AgentFunction, Kind, Parameter
from reconciler.lab.wire.binder import Given, bind
from reconciler.lab.wire.body import AgentError

GUID = "0f0e0d0c-0b0a-0908-0706-050403020100"


def function(*parameters: Parameter) -> AgentFunction:
    return AgentFunction("Get-Thing", "", parameters, "Test.Thing", ())


def optional(name: str, kind: Kind, **bounds: int) -> Parameter:
    return Parameter(
        name,
        kind,
        "",
        is_mandatory=False,
        minimum=bounds.get("minimum"),
        maximum=bounds.get("maximum"),
    )


@pytest.mark.parametrize(
    ("kind", "given", "bound"),
    [
        (Kind.STRING, "text", "text"),
        (Kind.STRING, 5, "5"),
        (Kind.INT, " 7 ", 7),
        (Kind.INT, True, 1),
        (Kind.INT, 2.6, 3),
        (Kind.LONG, 2**63 - 1, 2**63 - 1),
        (Kind.BOOL, 0, False),
        (Kind.BYTES, b"ab", b"ab"),
        (Kind.BYTES, [1, 255], b"\x01\xff"),
        (Kind.BYTES, 7, b"\x07"),
        (Kind.STRINGS, "one", ["one"]),
        (Kind.STRINGS, ["one", 2], ["one", "2"]),
        (Kind.STRINGS, [["nested", "text"]], ["nested text"]),
        (Kind.OBJECTS, [1], [1]),
    ],
)
def test_values_are_converted_to_the_kind_of_their_parameter(
    kind: Kind, given: object, bound: object
) -> None:
    assert bind(function(optional("Value", kind)), [("Value", given)]) == {"Value": bound}


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Kind.STRING, ["a", "b"]),
        (Kind.STRING, b"bytes"),
        (Kind.INT, 2**31),
        (Kind.INT, "many"),
        (Kind.INT, [1]),
        (Kind.INT, float("inf")),
        (Kind.LONG, 2**63),
        (Kind.BOOL, "true"),
        (Kind.BYTES, [256]),
        (Kind.BYTES, "text"),
        (Kind.STRINGS, [b"bytes"]),
    ],
)
def test_what_cannot_be_converted_is_a_transformation_error(kind: Kind, given: object) -> None:
    with pytest.raises(AgentError) as caught:
        bind(function(optional("Value", kind)), [("Value", given)])

    assert caught.value.error_id == "ParameterArgumentTransformationError"
    assert "'Value'" in caught.value.message


@pytest.mark.parametrize(
    ("parameter", "given", "suffix"),
    [
        (optional("V", Kind.INT, minimum=0, maximum=15), 16, ""),
        (optional("V", Kind.LONG, minimum=1), 0, ""),
        (optional("V", Kind.STRING, maximum=3), "four", ""),
        (optional("V", Kind.BYTES, minimum=16), b"short", ""),
        (optional("V", Kind.STRINGS, maximum=1), ["a", "b"], ""),
        (Parameter("V", Kind.STRING, "", choices=("Application", "Crash")), "Other", ""),
        (Parameter("V", Kind.STRING, "", pattern=contract.GUID), "no guid", ""),
        (Parameter("V", Kind.STRINGS, "", pattern="^a"), ["a", "b"], ""),
        (Parameter("V", Kind.STRING, ""), "", "EmptyStringNotAllowed"),
        (Parameter("V", Kind.STRING, ""), None, "EmptyStringNotAllowed"),
        (Parameter("V", Kind.STRING, "", pattern="^[a-z]$"), "", ""),
        (Parameter("V", Kind.STRINGS, ""), None, "NullNotAllowed"),
        (Parameter("V", Kind.STRINGS, ""), ["a", ""], "EmptyStringNotAllowed"),
        (Parameter("V", Kind.STRINGS, ""), [], "EmptyArrayNotAllowed"),
        (Parameter("V", Kind.BYTES, ""), b"", "EmptyArrayNotAllowed"),
    ],
)
def test_what_is_out_of_bounds_is_a_validation_error(
    parameter: Parameter, given: object, suffix: str
) -> None:
    with pytest.raises(AgentError) as caught:
        bind(function(parameter), [("V", given)])

    assert caught.value.error_id == f"ParameterArgumentValidationError{suffix}"
    assert caught.value.category == "InvalidArgument"


def test_a_choice_is_found_in_any_case_and_given_in_its_declared_spelling() -> None:
    parameter = Parameter("Level", Kind.STRING, "", choices=("Application", "Crash"))

    assert bind(function(parameter), [("level", "cRASH")]) == {"Level": "Crash"}


@pytest.mark.parametrize("name", ["WaitSeconds", "waitseconds", "Wait", "-Wait", "wait:"])
def test_a_parameter_is_found_by_any_beginning_of_its_name(name: str) -> None:
    bound = bind(contract.GET_OPERATION, [("RequestId", GUID), (name, 3)])

    assert bound == {"RequestId": GUID, "WaitSeconds": 3}


@pytest.mark.parametrize(
    ("given", "error_id"),
    [
        ([], "MissingMandatoryParameter"),
        ([("VMId", GUID)], "MissingMandatoryParameter"),
        ([("Colour", 1)], "NamedParameterNotFound"),
        ([("VMId", GUID), ("vmid", GUID)], "ParameterAlreadyBound"),
        ([(None, GUID)] * 4, "PositionalParameterNotFound"),
    ],
)
def test_wrong_names_have_the_ids_of_powershell(given: list[Given], error_id: str) -> None:
    with pytest.raises(AgentError) as caught:
        bind(contract.START_CONVERSION, given)

    assert caught.value.error_id == error_id


def test_a_beginning_of_two_parameters_is_ambiguous() -> None:
    with pytest.raises(AgentError) as caught:
        bind(contract.GET_DISK_CHANGE, [("L", 1)])

    assert caught.value.error_id == "AmbiguousParameter"
    assert "-LimitId -Length" in caught.value.message


def test_a_beginning_shared_with_a_common_parameter_means_the_functions_own() -> None:
    assert bind(contract.GET_MACHINE, [("V", GUID)]) == {"VMId": [GUID]}


def test_common_parameters_are_taken_and_ignored() -> None:
    assert bind(contract.GET_HOST, [("ErrorAction", "Stop"), ("Verbose", True)]) == {}


def test_values_without_a_name_are_bound_in_order() -> None:
    bound = bind(contract.GET_OPERATION, [(None, GUID), (None, 2)])

    assert bound == {"RequestId": GUID, "WaitSeconds": 2}


def test_null_for_an_optional_parameter_counts_as_not_given() -> None:
    assert bind(contract.GET_MACHINE, [("VMId", None)]) == {}
