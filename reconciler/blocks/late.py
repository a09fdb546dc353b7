"""Modules that are loaded at their first use; a pass that finds nothing to copy needs none."""

import importlib
from typing import Any


class Late:
    """Stands for a module until something of it is wanted."""

    def __init__(self, name: str) -> None:
        self._name = name

    def __getattr__(self, name: str) -> Any:
        # Kept here, so that it is found without coming this way again.
        found = self.__dict__[name] = getattr(importlib.import_module(self._name), name)
        return found
