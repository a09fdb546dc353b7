"""What all kinds share: strict frozen models, and a header."""

from collections.abc import Iterable
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from reconciler.policy.complaints import Remark
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
