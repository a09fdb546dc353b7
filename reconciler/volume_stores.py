"""From policies to stores: where the repository of a volume is, opened."""

from pathlib import Path
from threading import Lock

from reconciler.adapters.secrets import resolve_secret
from reconciler.adapters.stores import FolderStore
from reconciler.adapters.volume_folder import known_folder, new_folder
from reconciler.errors import RepositoryUnavailableError
from reconciler.logs import register_secret
from reconciler.policy.storage import Volume as VolumePolicy
from reconciler.policy.stores import AzureContainer, S3Bucket, SmbShare
from reconciler.ports import ObjectStore
from reconciler.record.entries import Volume

_REMOTE = "://"


class VolumeStores:
    """The stores of volumes; those that keep connections are opened once.

    So a secret that has changed is read at the next start.
    """

    def __init__(self) -> None:
        self._kept: dict[VolumePolicy, ObjectStore] = {}
        self._lock = Lock()

    def of(self, volume: Volume, declared: VolumePolicy | None) -> ObjectStore:
        """The store of a volume that the catalogue knows, as its policy describes it.

        Raises:
            RepositoryUnavailableError: It is not there, or no policy says how to reach it.
            SettingsError: A secret is not there.
        """
        if declared is None or declared.store is None:
            return open_store(volume, declared)
        with self._lock:
            if declared not in self._kept:
                self._kept[declared] = open_store(volume, declared)
            return self._kept[declared]


def open_store(volume: Volume, declared: VolumePolicy | None) -> ObjectStore:
    """Open the store of a volume; of a new one its own folder is made, but nothing above it.

    Raises:
        RepositoryUnavailableError: It is not there, or no policy says how to reach it.
        SettingsError: A secret is not there.
    """
    is_new = volume.repository_id is None
    match declared.store if declared else None:
        case SmbShare() as share:
            return _smb(share, is_new=is_new)
        case AzureContainer() as container:
            return _azure(container)
        case S3Bucket() as bucket:
            return _s3(bucket)
        case None:
            return _folder(volume, is_new=is_new)


def _folder(volume: Volume, *, is_new: bool) -> FolderStore:
    name = f"volume {volume.name} of pool {volume.pool}"
    if _REMOTE in volume.path:
        raise RepositoryUnavailableError(
            f"no policy says any more how to reach {name}, which was at {volume.path}",
            hint="put the volume back into the storage policy",
        )
    folder = new_folder if is_new else known_folder
    return FolderStore(folder(Path(volume.path), name))


# The libraries of the three are slow to load, and most commands and most servers need none.


def _smb(share: SmbShare, *, is_new: bool) -> ObjectStore:
    from reconciler.adapters.smb_store import SmbPlace, SmbStore  # noqa: PLC0415 (as said above)

    place = SmbPlace(
        shown=share.place,
        server=share.server,
        port=share.port,
        share=share.share,
        folder=share.folder or "",
        user=share.user or "",
        password=_secret(share.password),
    )
    return SmbStore(place, is_new=is_new)


def _azure(container: AzureContainer) -> ObjectStore:
    from reconciler.adapters.cloud_stores import AzurePlace, azure_store  # noqa: PLC0415 (as above)

    place = AzurePlace(
        shown=container.place,
        account=container.account,
        container=container.container,
        prefix=container.prefix or "",
        key=_secret(container.key),
        sas=_secret(container.sas),
        endpoint=container.endpoint or "",
    )
    return azure_store(place)


def _s3(bucket: S3Bucket) -> ObjectStore:
    from reconciler.adapters.cloud_stores import S3Place, s3_store  # noqa: PLC0415 (as above)

    place = S3Place(
        shown=bucket.place,
        bucket=bucket.bucket,
        prefix=bucket.prefix or "",
        region=bucket.region,
        access_key=_secret(bucket.access_key),
        secret_key=_secret(bucket.secret_key),
        endpoint=bucket.endpoint or "",
    )
    return s3_store(place)


def _secret(reference: str | None) -> str:
    secret = resolve_secret(reference) if reference else ""
    register_secret(secret)
    return secret
