"""Configuration files of a checkpoint, from answers that keep the contract."""

import re
from collections.abc import Sequence
from typing import Final

from reconciler.adapters.hyperv.decode import Answer, Decoder, shown, text_of
from reconciler.model.configuration import ConfigurationFile

MOST_FILES: Final = 64
"""Of one machine; there are three or four."""
_NAME: Final = re.compile(r"[0-9A-Za-z_{}-][0-9A-Za-z_{}. -]{0,199}")
"""What Hyper-V calls them: a GUID, and what kind of file it is."""


def configuration_files(
    decoder: Decoder, answers: Sequence[Answer]
) -> tuple[ConfigurationFile, ...]:
    """The files, each by a name of its own that is safe on any system."""
    if len(answers) > MOST_FILES:
        raise decoder.broken(f"{len(answers)} configuration files of one machine")
    found = tuple(_file(decoder, answer) for answer in answers)
    if len({file.name.lower() for file in found}) != len(found):
        raise decoder.broken("two configuration files of one name")
    return found


def _file(decoder: Decoder, answer: Answer) -> ConfigurationFile:
    name, path, size = text_of(answer, "Name"), text_of(answer, "Path"), answer["FileSize"]
    if not _NAME.fullmatch(name) or not path.endswith(f"\\{name}"):
        raise decoder.broken(f"a configuration file of the name '{shown(name)}'")
    if size is not None and not (isinstance(size, int) and size >= 0):
        raise decoder.broken(f"the configuration file {name} has {size} bytes")
    return ConfigurationFile(name, path, size)
