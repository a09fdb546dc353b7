"""Parameters bound to a contract function as PowerShell binds them, with its errors.

Source: about_Parameters, about_Functions_Advanced_Parameters; ids and order of checks as seen in
PowerShell 7. Two things differ on purpose: a choice comes out in its declared spelling, and null
for an optional parameter counts as not given.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Final

from reconciler.agent_contract import AgentFunction, Kind, Parameter
from reconciler.lab.wire.body import AgentError

COMMON_PARAMETERS: Final = (
    "Debug",
    "ErrorAction",
    "ErrorVariable",
    "InformationAction",
    "InformationVariable",
    "OutBuffer",
    "OutVariable",
    "PipelineVariable",
    "Verbose",
    "WarningAction",
    "WarningVariable",
)
"""Every advanced function has them; they are taken, and nothing comes of them."""

Given = tuple[str | None, object]
"""A parameter's name, or None by position, and its value."""

_INT: Final = range(-(2**31), 2**31)
_LONG: Final = range(-(2**63), 2**63)


def bind(function: AgentFunction, given: Iterable[Given]) -> Mapping[str, object]:
    """The arguments of one call.

    Shape: optional parameters that were not given are left out.

    Raises:
        AgentError: With the id of PowerShell's binding error.
    """
    bound: dict[str, object] = {}
    for name, value in given:
        parameter = _found(function, name) if name else _next_free(function, bound, value)
        if parameter is None:
            continue
        if parameter.name in bound:
            raise _refused(
                "ParameterAlreadyBound",
                f"Cannot bind parameter because parameter '{parameter.name}' is specified more "
                "than once.",
            )
        bound[parameter.name] = _checked(parameter, value)
    missing = [p.name for p in function.parameters if p.is_mandatory and p.name not in bound]
    if missing:
        raise _refused(
            "MissingMandatoryParameter",
            "Cannot process command because of one or more missing mandatory parameters: "
            f"{' '.join(missing)}.",
        )
    return {key: value for key, value in bound.items() if value is not None}


def _found(function: AgentFunction, name: str) -> Parameter | None:
    """The parameter of a name or its beginning; None for a common one."""
    wanted = name.lstrip("-").rstrip(":").lower()
    ours = {p.name: p for p in function.parameters}
    names = (*ours, *COMMON_PARAMETERS)
    exact = [n for n in names if n.lower() == wanted]
    begun = [n for n in names if n.lower().startswith(wanted)]
    # A beginning that one of the function's own parameters shares with common ones means its own.
    hits = exact or [n for n in begun if n in ours] or begun
    if not hits:
        raise _refused(
            "NamedParameterNotFound",
            f"A parameter cannot be found that matches parameter name '{name}'.",
        )
    if len(hits) > 1:
        raise _refused(
            "AmbiguousParameter",
            f"Parameter cannot be processed because the parameter name '{name}' is ambiguous. "
            f"Possible matches include: {' '.join(f'-{n}' for n in hits)}.",
        )
    return ours.get(hits[0])


def _next_free(
    function: AgentFunction, bound: Mapping[str, object], value: object
) -> Parameter | None:
    for parameter in function.parameters:
        if parameter.name not in bound:
            return parameter
    raise _refused(
        "PositionalParameterNotFound",
        f"A positional parameter cannot be found that accepts argument '{_shown(value)}'.",
    )


def _checked(parameter: Parameter, given: object) -> object:
    if given is None and parameter.is_mandatory:
        if parameter.kind is not Kind.STRING:
            raise _invalid(parameter, "it is null", "NullNotAllowed")
        given = ""  # [string] makes an empty text of null
    try:
        value = None if given is None else _TRANSFORMED[parameter.kind](given)
    except (TypeError, ValueError, OverflowError) as error:
        raise _refused(
            "ParameterArgumentTransformationError",
            f"Cannot process argument transformation on parameter '{parameter.name}'. Cannot "
            f'convert value "{_shown(given)}" to type "{parameter.kind.value}". {error}',
        ) from error
    if value is None:
        return None
    _check_bounds(parameter, value)
    chosen = _chosen(parameter, value)
    _check_empty(parameter, value)  # after the validations, as PowerShell does it
    return chosen


def _check_empty(parameter: Parameter, value: object) -> None:
    if not parameter.is_mandatory:
        return
    if value == "" or (isinstance(value, list) and "" in value):
        raise _invalid(parameter, "it is an empty string", "EmptyStringNotAllowed")
    if value in ([], b""):
        raise _invalid(parameter, "it is an empty array", "EmptyArrayNotAllowed")


def _check_bounds(parameter: Parameter, value: object) -> None:
    size = value if isinstance(value, int) else _length(value)
    low, high = parameter.minimum, parameter.maximum
    if isinstance(value, bool) or size is None:
        return
    if (low is not None and size < low) or (high is not None and size > high):
        raise _invalid(parameter, f"{size} is outside {low}..{high}")


def _length(value: object) -> int | None:
    return len(value) if isinstance(value, str | bytes | list) else None


def _chosen(parameter: Parameter, value: object) -> object:
    if parameter.choices:
        spelled = {c.lower(): c for c in parameter.choices}
        chosen = str(value).lower()  # ValidateSet knows no case; bodies get the declared spelling
        if chosen not in spelled:
            raise _invalid(parameter, f"it does not belong to {','.join(parameter.choices)}")
        return spelled[chosen]
    for item in value if isinstance(value, list) else [value]:
        if parameter.pattern and not re.search(parameter.pattern, str(item), re.IGNORECASE):
            raise _invalid(parameter, f"it does not match the pattern {parameter.pattern}")
    return value


# --- transformation, as .NET's conversion of arguments does it


def _string(value: object) -> str:
    if isinstance(value, str | bool | int | float):
        return str(value)
    raise TypeError("Only a single value converts to a string.")


def _whole(value: object, bounds: range) -> int:
    if isinstance(value, bool | int | float):
        number = round(value)
    elif isinstance(value, str):
        number = int(value.strip() or "0")
    else:
        raise TypeError("Input is not a number.")
    if number not in bounds:
        raise OverflowError("Value was either too large or too small.")
    return number


def _bool(value: object) -> bool:
    if isinstance(value, bool | int | float):
        return bool(value)
    raise TypeError("Boolean parameters accept only Boolean values and numbers.")


def _bytes(value: object) -> bytes:
    if isinstance(value, bytes | bytearray):
        return bytes(value)
    items = value if isinstance(value, list) else [value]
    return bytes(_whole(item, range(256)) for item in items)


def _strings(value: object) -> list[str]:
    items = value if isinstance(value, list) else [value]
    return [
        " ".join(map(_string, item)) if isinstance(item, list) else _string(item) for item in items
    ]


def _objects(value: object) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


_TRANSFORMED: Final[Mapping[Kind, Callable[[object], object]]] = {
    Kind.STRING: _string,
    Kind.INT: lambda value: _whole(value, _INT),
    Kind.LONG: lambda value: _whole(value, _LONG),
    Kind.BOOL: _bool,
    Kind.BYTES: _bytes,
    Kind.STRINGS: _strings,
    Kind.OBJECTS: _objects,
}


def _invalid(parameter: Parameter, why: str, suffix: str = "") -> AgentError:
    return _refused(
        f"ParameterArgumentValidationError{suffix}",
        f"Cannot validate argument on parameter '{parameter.name}': {why}.",
    )


def _refused(error_id: str, message: str) -> AgentError:
    return AgentError(error_id, message, category="InvalidArgument")


def _shown(value: object) -> str:
    return repr(value)[:80]
