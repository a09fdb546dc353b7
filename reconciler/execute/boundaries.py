"""The moments between two commits; a crash at any of them must be harmless."""

from enum import StrEnum


class Boundary(StrEnum):
    """What has just become true."""

    INTENT_WRITTEN = "intent_written"
    MACHINE_SAVED = "machine_saved"
    """Only where a machine has to be saved; so is the next."""
    CHECKPOINT_TAKEN = "checkpoint_taken"
    MACHINE_RESUMED = "machine_resumed"
    CONFIGURATION_READ = "configuration_read"
    PACKS_SYNCED = "packs_synced"
    MANIFEST_SEALED = "manifest_sealed"
    REFERENCE_POINT_MADE = "reference_point_made"
    HEAD_SET = "head_set"
    CATALOGUE_COMMITTED = "catalogue_committed"
    OLD_REFERENCE_POINT_REMOVED = "old_reference_point_removed"
    MANIFESTS_DELETED = "manifests_deleted"
    """Of points that expire or that a person lets go."""
    PACK_DELETED = "pack_deleted"
