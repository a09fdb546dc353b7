"""Options that several commands share, and the settings made of them."""

from collections.abc import Callable
from functools import wraps
from pathlib import Path
from typing import Any

import click

from reconciler.settings import ClockChoice, Settings


def with_settings(function: Callable[..., Any]) -> Callable[..., Any]:
    """Options for folders and clock; the command gets them as one `settings`."""

    @click.option(
        "--policies",
        type=click.Path(path_type=Path),
        default=Path("policies"),
        envvar="RECONCILER_POLICIES",
        show_default=True,
        help="Folder of policy files.",
    )
    @click.option(
        "--state",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(".reconciler"),
        envvar="RECONCILER_STATE",
        show_default=True,
        help="Folder of the catalogue.",
    )
    @click.option(
        "--clock",
        type=click.Choice(["system", "lab"]),
        default="system",
        envvar="RECONCILER_CLOCK",
        show_default=True,
        help="lab: what `reconciler lab clock` moves; refused where a host is no lab's.",
    )
    @click.option(
        "--lab",
        type=click.Path(path_type=Path, file_okay=False),
        default=Path(".lab"),
        envvar="RECONCILER_LAB",
        show_default=True,
        help="Folder of the lab, for its clock.",
    )
    @wraps(function)
    def with_them(policies: Path, state: Path, clock: str, lab: Path, **others: Any) -> Any:
        settings = Settings(policies, state, lab, ClockChoice(clock))
        return function(settings=settings, **others)

    return with_them
