"""What all kinds share: strict frozen models, and a header."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.policy.complaints import Code, Location, Remark
from reconciler.policy.values import Name

SCHEMA_VERSION = "reconciler/v1"


class PolicyModel(BaseModel):
    """A part of a policy: frozen, strict, no unknown keys, its docstrings are its schema."""

    model_config = ConfigDict(
        frozen=True,
        strict=True,
        extra="forbid",
        use_attribute_docstrings=True,
        hide_input_in_errors=True,
    )

    def remarks(self) -> Iterable[Remark]:
        """What is odd or contradictory about a policy whose every value is valid by itself."""
        return ()


class Header(PolicyModel):
    """What every policy begins with."""

    schema_version: Literal["reconciler/v1"] = Field(alias="schema")
    """Version of the policy language."""

    name: Name
    """Unique among the policies of its kind; shown in every log line."""


def repeats(location: Location, items: Sequence[object]) -> Iterator[Remark]:
    """A complaint about each item of a list that was there before."""
    for index, item in enumerate(items):
        if item in items[:index]:
            shown = item if isinstance(item, str | int) else "the same"
            yield Remark((*location, index), f"{shown} is there twice", "remove one", Code.CONFLICT)
