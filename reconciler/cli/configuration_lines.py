"""What recovery points hold of the configuration of their machines, for a person."""

from collections.abc import Iterator

from reconciler.app import App
from reconciler.blocks.configuration import configuration_of
from reconciler.errors import ReconcilerError
from reconciler.execute.configuration import shown_left_out
from reconciler.model.protection import RecoveryPoint
from reconciler.plan.words import counted, shown_bytes


def configuration_lines(app: App, point: RecoveryPoint) -> Iterator[str]:
    """How many files there are, and what is missing; read from the point itself."""
    try:
        manifest = app.repository_to_read(point.volume).manifest(point.source, point.id)
        found = configuration_of(manifest.point.configuration_files)
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
