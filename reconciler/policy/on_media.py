"""The policies as an export follows them: the same machines, kept on the media alone."""

from dataclasses import replace
from typing import Final

from reconciler.policy.policy_set import PolicySet
from reconciler.policy.storage import Volume

_VOLUME: Final = "media"


def on_media(wanted: PolicySet, folder: str) -> PolicySet:
    """Every pool is the folder, encrypted as it is itself; nothing waits to be created."""
    volumes = (Volume(name=_VOLUME, path=folder),)
    pools = tuple(pool.model_copy(update={"volumes": volumes}) for pool in wanted.pools)
    groups = tuple(
        group.model_copy(update={"initial_replication": None}) for group in wanted.groups
    )
    return replace(wanted, pools=pools, groups=groups)
