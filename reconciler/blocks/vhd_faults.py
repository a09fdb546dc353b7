"""How a VHD that cannot be read is refused: always by file, field and reason."""

from reconciler.errors import DiskUnreadableError


def damaged(path: str, field: str, reason: str) -> DiskUnreadableError:
    """The error for a field that breaks the format."""
    return DiskUnreadableError(
        f"{path} is not a readable VHD: {field} {reason}",
        hint="try Test-VHD on its host; a disk that is damaged there must be recovered",
        path=path,
        field=field,
    )
