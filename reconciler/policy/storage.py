"""Storage pools: the volumes that replicas and recovery points live on."""

from collections.abc import Iterator
from typing import Literal

from reconciler.policy.complaints import Code, Remark
from reconciler.policy.kind import Header, PolicyModel
from reconciler.policy.values import Name, Several, Text


class Volume(PolicyModel):
    """A folder with one repository in it."""

    name: Name
    """Unique in its pool."""

    path: Text
    """The folder, on this server or a mounted share."""

    @property
    def folder(self) -> str:
        """The path as it is compared with others."""
        return self.path.rstrip("/\\")


class StoragePool(Header):
    """Volumes that protection groups are placed on."""

    kind: Literal["StoragePool"]
    """What this policy describes."""

    volumes: Several[Volume]
    """The volumes of the pool; losing one harms only the machines on it."""

    def remarks(self) -> Iterator[Remark]:
        """Volumes that share a name or a folder."""
        names: set[str] = set()
        folders: set[str] = set()
        for index, volume in enumerate(self.volumes):
            if volume.name in names:
                text = f"there are two volumes '{volume.name}' in this pool"
                at = ("volumes", index, "name")
                yield Remark(at, text, "give each its own name", Code.CONFLICT)
            if volume.folder in folders:
                text = f"there are two volumes at '{volume.path}' in this pool"
                at = ("volumes", index, "path")
                yield Remark(at, text, "give each its own folder", Code.CONFLICT)
            names.add(volume.name)
            folders.add(volume.folder)
