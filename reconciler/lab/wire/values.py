"""Answers of a function as the objects that PowerShell would send, and records of errors."""

from collections.abc import Callable, Mapping
from typing import Final

from psrpcore.types import (
    ErrorCategory,
    ErrorCategoryInfo,
    ErrorRecord,
    NETException,
    PSByteArray,
    PSCustomObject,
    PSInt,
    PSInt64,
)

from reconciler.agent_contract import AgentFunction, Field, Kind
from reconciler.lab.wire.body import AgentError

COR_E_EXCEPTION: Final = -2146233087
"""HResult of a plain exception, 0x80131501 as a signed number."""
BINDING_EXCEPTION: Final = "System.Management.Automation.ParameterBindingException"
RUNTIME_EXCEPTION: Final = "System.Management.Automation.RuntimeException"


def to_object(function: AgentFunction, answer: Mapping[str, object]) -> PSCustomObject:
    """One answer as a custom object with the function's type name.

    Raises:
        TypeError: The answer is not what the function declares.
    """
    return _object(function.fields, answer, function.name, function.output_type)


def _object(
    fields: tuple[Field, ...], answer: Mapping[str, object], where: str, type_name: str = ""
) -> PSCustomObject:
    if unknown := answer.keys() - {f.name for f in fields}:
        raise TypeError(f"{where} has no field {', '.join(sorted(unknown))}")
    properties = {f.name: _value(f, answer.get(f.name), f"{where}.{f.name}") for f in fields}
    named = {"PSTypeName": type_name} if type_name else {}
    return PSCustomObject(**named, **properties)


def _value(field: Field, value: object, where: str) -> object:
    if value is None:
        if field.is_optional:
            return None
        raise TypeError(f"{where} is missing")
    if field.kind is Kind.OBJECTS:
        if not isinstance(value, list):
            raise TypeError(f"{where} is no list")
        return [_object(field.fields, item, where) for item in value]
    expected, converted = _KINDS[field.kind]
    if not isinstance(value, expected) or (expected is int and isinstance(value, bool)):
        raise TypeError(f"{where} is no {field.kind.value}")
    return converted(value)


_KINDS: Final[Mapping[Kind, tuple[type, Callable[..., object]]]] = {
    Kind.STRING: (str, str),
    Kind.INT: (int, PSInt),
    Kind.LONG: (int, PSInt64),
    Kind.BOOL: (bool, bool),
    Kind.BYTES: (bytes, PSByteArray),
    Kind.STRINGS: (list, lambda value: [str(item) for item in value]),
}


def error_record(error: AgentError, function_name: str | None) -> ErrorRecord:
    """The record that ends a pipeline.

    Shape: its FullyQualifiedErrorId is the id, a comma and the function; the engine's own errors
    have no function.
    """
    is_binding = error.error_id.startswith(("Parameter", "NamedParameter", "Missing", "Ambiguous"))
    kind = BINDING_EXCEPTION if is_binding else RUNTIME_EXCEPTION
    exception = NETException(Message=error.message, HResult=COR_E_EXCEPTION)
    exception.PSObject.type_names = [kind, "System.Exception", "System.Object"]
    exception.PSObject.to_string = f"{kind}: {error.message}"
    category = ErrorCategoryInfo(
        Category=getattr(ErrorCategory, error.category, ErrorCategory.NotSpecified),
        Reason=kind.rpartition(".")[2],
        TargetName=error.target or "",
        TargetType="String" if error.target else "",
    )
    return ErrorRecord(
        Exception=exception,
        CategoryInfo=category,
        TargetObject=error.target,
        FullyQualifiedErrorId=f"{error.error_id},{function_name}"
        if function_name
        else error.error_id,
    )
