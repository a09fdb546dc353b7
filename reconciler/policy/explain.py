"""What pydantic found, in the words of somebody who writes policies."""

from collections.abc import Callable, Iterator
from typing import Any, get_args

from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from reconciler.policy.complaints import (
    MOST_COMPLAINTS,
    Code,
    Location,
    Remark,
    did_you_mean,
    nearest,
    quoted,
)
from reconciler.policy.kind import SCHEMA_VERSION, PolicyModel
from reconciler.policy.policy_set import KINDS, Policy

_EXPECTED = {
    "bool_type": "true or false",
    "int_type": "a whole number",
    "string_type": "text",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "dict_type": "a mapping",
}


def validated(data: object) -> Policy | tuple[Remark, ...]:
    """The policy that a document holds, or everything that is wrong with it."""
    if not isinstance(data, dict):
        text = f"expected a policy, got {quoted(data)}"
        return (Remark((), text, "a policy begins with the keys schema, kind and name"),)
    kind = data.get("kind")
    if not isinstance(kind, str) or kind not in KINDS:
        return (_wrong_kind(data, kind),)
    model = KINDS[kind]
    try:
        return model.model_validate(data)
    except ValidationError as error:
        details = [d for d in error.errors(include_url=False) if not _is_echo(d)]
        details = details[:MOST_COMPLAINTS]
        meant = set(_meant(details, model))
        return tuple(_remark(d, model) for d in details if d["loc"] not in meant)


def _is_echo(detail: ErrorDetails) -> bool:
    """A list whose every item is wrong also counts as empty."""
    return detail["type"] == "too_short" and bool(detail["input"])


def _wrong_kind(data: dict[str, Any], kind: object) -> Remark:
    if "kind" not in data:
        text, location = "key 'kind' is missing", ()
        return Remark(location, text, f"add 'kind:' with one of: {', '.join(sorted(KINDS))}")
    text = f"there is no kind {quoted(kind)}"
    return Remark(("kind",), text, did_you_mean(str(kind), KINDS, "kinds"))


def _remark(detail: ErrorDetails, model: type[PolicyModel]) -> Remark:
    location: Location = detail["loc"]
    kind, given = detail["type"], detail["input"]
    explained = _EXPLAINED.get(kind)
    if kind == "extra_forbidden":
        return _unknown_key(location, model)
    if explained:
        return explained(location, detail)
    if kind in _EXPECTED:
        text = f"expected {_EXPECTED[kind]}, got {quoted(given)}"
        hint = _type_hint(kind, given)
        if kind == "model_type":
            hint = f"its keys: {', '.join(_known_keys(model, location))}"
        return Remark(location, text, hint)
    text = detail["msg"].replace("Input should be", "has to be")
    return Remark(location, f"{text}; got {quoted(given)}")


def _said_by_us(location: Location, detail: ErrorDetails) -> Remark:
    ctx = detail["ctx"]
    return Remark(location, ctx["problem"], ctx["hint"], is_about_key=ctx["is_about_key"])


def _missing(location: Location, _: ErrorDetails) -> Remark:
    key = str(location[-1])
    hint = f"add 'schema: {SCHEMA_VERSION}'" if key == "schema" else f"add '{key}:'"
    return Remark(location[:-1], f"key '{key}' is missing", hint)


def _empty_list(location: Location, _: ErrorDetails) -> Remark:
    return Remark(location, "the list is empty", "write at least one item")


def _not_one_of(location: Location, detail: ErrorDetails) -> Remark:
    expected, given = str(detail["ctx"]["expected"]), detail["input"]
    known = [word.strip("'") for word in expected.replace(" or ", ", ").split(", ")]
    near = nearest(str(given), known)
    hint = f"did you mean '{near}'?" if near else ""
    return Remark(location, f"expected {expected}, got {quoted(given)}", hint)


_EXPLAINED: dict[str, Callable[[Location, ErrorDetails], Remark]] = {
    "value": _said_by_us,
    "missing": _missing,
    "too_short": _empty_list,
    "literal_error": _not_one_of,
}


def _unknown_key(location: Location, model: type[PolicyModel]) -> Remark:
    key = str(location[-1])
    hint = did_you_mean(key, _known_keys(model, location[:-1]), "known keys")
    text = f"unknown key {quoted(key)}"
    return Remark(location, text, hint, Code.UNKNOWN_KEY, is_about_key=True)


def _meant(details: list[ErrorDetails], model: type[PolicyModel]) -> Iterator[Location]:
    """Missing keys that are there with a typing error: one complaint is enough."""
    missing = {detail["loc"] for detail in details if detail["type"] == "missing"}
    for detail in details:
        location = detail["loc"]
        if detail["type"] == "extra_forbidden":
            near = nearest(str(location[-1]), _known_keys(model, location[:-1]))
            if near and (*location[:-1], near) in missing:
                yield (*location[:-1], near)


def _known_keys(model: type[BaseModel], location: Location) -> list[str]:
    """Keys of the model that `location` leads to, by the annotations on the way."""
    here = model
    for step in location:
        if isinstance(step, int):
            continue
        field = next(f for n, f in here.model_fields.items() if step in {n, f.alias})
        here = next(_models_in(field.annotation), here)
    return [field.alias or name for name, field in here.model_fields.items()]


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from _models_in(argument)


def _type_hint(kind: str, given: object) -> str:
    if kind == "bool_type" and str(given).lower() in {"yes", "no", "on", "off"}:
        return "write true or false"
    if kind == "string_type" and isinstance(given, int | float):
        return "put it in quotes"
    if kind == "int_type" and isinstance(given, str) and given.isdecimal():
        return "remove the quotes"
    if kind == "dict_type":
        return "write keys and values, such as {tier: gold}"
    if kind == "tuple_type":
        return "begin each item with '- ' on its own line, or write [a, b]"
    return ""
