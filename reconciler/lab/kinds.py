"""The labs that `reconciler lab up` can make, by name."""

from pathlib import Path
from typing import Final

from reconciler.errors import SettingsError
from reconciler.lab.control import host_names
from reconciler.lab.create import create_lab
from reconciler.lab.definition import TWO_HOSTS
from reconciler.lab.full_lab import CLUSTER_LAB, FULL_LAB

KINDS: Final = {"two-hosts": TWO_HOSTS, "full": FULL_LAB, "cluster": CLUSTER_LAB}


def make_lab(folder: Path, kind: str) -> None:
    """Make a lab of a kind, unless it is there.

    Raises:
        SettingsError: There is no such kind, or a lab of another one is there.
    """
    definition = KINDS.get(kind or "two-hosts")
    if definition is None:
        raise SettingsError(f"no lab is called {kind}", hint=f"one of {', '.join(KINDS)}")
    there = host_names(folder)
    if not there:
        create_lab(folder, definition)
    elif there != tuple(sorted(host.name for host in definition.hosts)):
        raise SettingsError(
            f"{folder} holds another lab, of {', '.join(there)}",
            hint="delete it first: reconciler lab down --delete",
        )
