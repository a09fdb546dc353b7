"""What recovery points hold of the configuration of their machines, for a person."""

from collections.abc import Iterator

from reconciler.blocks.configuration import configuration_of
from reconciler.blocks.manifest import Manifest
from reconciler.errors import ReconcilerError
from reconciler.execute.configuration import shown_left_out
from reconciler.plan.words import counted, shown_bytes


def configuration_lines(read: Manifest | ReconcilerError) -> Iterator[str]:
    """How many files there are, and what is missing, or why the point could not be read."""
    try:
        if isinstance(read, ReconcilerError):
            raise read
        found = configuration_of(read.point.configuration_files)
    except ReconcilerError as error:
        yield f"configuration files cannot be read: {error.message}"
        return
    if not found.files and not found.left_out:
        yield "no configuration files: it was made before they were kept"
        return
    held = sum(map(len, found.files.values()))
    yield f"{counted(len(found.files), 'configuration file')}, {shown_bytes(held)}"
    for line in shown_left_out(found.left_out):
        yield f"! not in it: {line}"
