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


class StoragePool(Header):
    """Volumes that protection groups are placed on."""

    kind: Literal["StoragePool"]
    """What this policy describes."""

    volumes: Several[Volume]
    """The volumes of the pool; losing one harms only the machines on it."""

    def remarks(self) -> Iterator[Remark]:
        """Volumes that share a name."""
        seen: set[str] = set()
        for index, volume in enumerate(self.volumes):
            if volume.name in seen:
                text = f"there are two volumes '{volume.name}' in this pool"
                at = ("volumes", index, "name")
                yield Remark(at, text, "give each its own name", Code.CONFLICT)
            seen.add(volume.name)
