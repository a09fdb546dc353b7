"""Storage pools: the volumes that replicas and recovery points live on."""

from collections.abc import Iterator
from typing import Final, Literal

from reconciler.policy.complaints import Code, Location, Remark
from reconciler.policy.kind import Header, PolicyModel
from reconciler.policy.stores import AzureContainer, S3Bucket, SmbShare
from reconciler.policy.values import (
    Duration,
    Name,
    Optionally,
    SecretReference,
    Several,
    Size,
    Text,
)

_KINDS = ("path", "smb", "azure", "s3")
_LEAST_RESERVE: Final = 1 << 30
_MOST_RESERVE: Final = 64 << 30


class Volume(PolicyModel):
    """Where one repository is: exactly one of path, smb, azure and s3."""

    name: Name
    """Unique in its pool."""

    path: Optionally[Text] = None
    """A folder on this server, or a share that is mounted there."""

    smb: Optionally[SmbShare] = None
    """A folder of a share that need not be mounted."""

    azure: Optionally[AzureContainer] = None
    """A container of Azure Blob Storage."""

    s3: Optionally[S3Bucket] = None
    """A bucket of S3, or of a service that speaks as it does."""

    quota: Optionally[Size] = None
    """What its repository may take: 2TB. When left out, all but the reserve."""

    reserve: Optionally[Size] = None
    """What stays free on it, so that there is room to delete and to repair: 50GiB. When left out,
    2 % of it, at least 1 GiB and at most 64 GiB, but never more than a tenth."""

    def reserve_of(self, total_bytes: int) -> int:
        """What stays free when it has so many bytes. Units: bytes."""
        if self.reserve is not None:
            return self.reserve
        usual = min(max(_LEAST_RESERVE, total_bytes // 50), _MOST_RESERVE)
        return min(usual, total_bytes // 10)

    @property
    def kind(self) -> str:
        """The key that says where it is."""
        return next((kind for kind in _KINDS if getattr(self, kind) is not None), "path")

    @property
    def store(self) -> SmbShare | AzureContainer | S3Bucket | None:
        """Where it is, unless that is a folder."""
        return self.smb or self.azure or self.s3

    @property
    def place(self) -> str:
        """Where it is, as it is shown and compared with others; never with a secret."""
        if self.store is not None:
            return self.store.place
        path = self.path or ""
        return path.rstrip("/\\") or path

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """No place, or several; what is odd about the place."""
        told = [kind for kind in _KINDS if getattr(self, kind) is not None]
        if len(told) != 1:
            text = f"a volume has exactly one of {', '.join(_KINDS)}"
            text += f"; this one has {' and '.join(told) or 'none'}"
            yield Remark(location, text, "write a volume for each place")
        elif self.store is not None:
            yield from self.store.remarks_at((*location, told[0]))


class Encryption(PolicyModel):
    """Repositories of the pool are encrypted; that is decided when each one is made."""

    passphrase: SecretReference
    """What opens them. Without it nothing can be recovered: keep a copy elsewhere. A text of 64
    hexadecimal digits is used as a key as it is."""


class StoragePool(Header):
    """Volumes that protection groups are placed on."""

    kind: Literal["StoragePool"]
    """What this policy describes."""

    volumes: Several[Volume]
    """The volumes of the pool; losing one harms only the machines on it."""

    encryption: Optionally[Encryption] = None
    """Left out, blocks are stored in the clear."""

    sweep_grace: Optionally[Duration] = None
    """How long what no recovery point needs any more stays at least before it is deleted: 1d. When
    left out, only as long as a recovery point is being made that may need it."""

    def remarks(self) -> Iterator[Remark]:
        """Volumes that share a name or a place."""
        names: set[str] = set()
        places: set[str] = set()
        for index, volume in enumerate(self.volumes):
            if volume.name in names:
                text = f"there are two volumes '{volume.name}' in this pool"
                at = ("volumes", index, "name")
                yield Remark(at, text, "give each its own name", Code.CONFLICT)
            yield from volume.remarks_at(("volumes", index))
            if volume.place and volume.place in places:
                text = f"there are two volumes at '{volume.place}' in this pool"
                at = ("volumes", index, volume.kind)
                yield Remark(at, text, "give each its own place", Code.CONFLICT)
            names.add(volume.name)
            places.add(volume.place)
