"""Set what a host shows of a volume: its size, deduplication, BitLocker."""

from collections.abc import Iterable

from reconciler.errors import ItemNotFoundError, SettingsError
from reconciler.lab.book import HostBook
from reconciler.lab.state import VolumeState

PROTECTION = ("On", "Off", "Unknown")
NAMES = ("Size", "SizeRemaining", "DedupEnabled", "ProtectionStatus")


def set_volume(book: HostBook, path: str, name: str, text: str) -> None:
    """Set one property of a volume of the host, or of its cluster; saved.

    Raises:
        ItemNotFoundError: There is no such volume, or no such property.
        SettingsError: The text is no value of that property.
    """
    if _is_there(book.state.volumes, path):
        _set(book.state.volumes, path, name, text)
        book.save()
    elif book.cluster and _is_there(book.cluster.read().volumes, path):
        with book.cluster.changing() as shared:
            _set(shared.volumes, path, name, text)
    else:
        shared_volumes = book.cluster.read().volumes if book.cluster else []
        known = [volume.path for volume in (*book.state.volumes, *shared_volumes)]
        raise ItemNotFoundError(
            f"host {book.state.name} has no volume {path}", hint=f"one of {', '.join(known)}"
        )


def _is_there(volumes: Iterable[VolumeState], path: str) -> bool:
    return any(_is_same(volume, path) for volume in volumes)


def _is_same(volume: VolumeState, path: str) -> bool:
    return volume.path.rstrip("\\").casefold() == path.rstrip("\\").casefold()


def _set(volumes: Iterable[VolumeState], path: str, name: str, text: str) -> None:
    (volume,) = (volume for volume in volumes if _is_same(volume, path))
    if name == "DedupEnabled":
        volume.is_deduplicated = _flag(text)
    elif name == "ProtectionStatus":
        volume.protection = _protection(text)
    elif name == "SizeRemaining":
        volume.free_bytes = _bytes(name, text)
    elif name == "Size":
        volume.size_bytes = _bytes(name, text)
    else:
        raise ItemNotFoundError(
            f"{name} is no property of a volume that can be set", hint=f"one of {', '.join(NAMES)}"
        )


def _flag(text: str) -> bool:
    if text.lower() not in ("true", "false"):
        raise SettingsError(f"DedupEnabled: {text} is neither", hint="true or false")
    return text.lower() == "true"


def _protection(text: str) -> str:
    if text not in PROTECTION:
        raise SettingsError(
            f"ProtectionStatus: {text} is none", hint=f"one of {', '.join(PROTECTION)}"
        )
    return text


def _bytes(name: str, text: str) -> int:
    if not text.isdecimal():
        raise SettingsError(f"{name}: {text} is no number of bytes", hint="give one")
    return int(text)
