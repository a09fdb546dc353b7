"""Every way to say no, on one page.

ReconcilerError
├── PolicyError              PolicySyntaxError · UnknownKeyError · PolicyConflictError
├── PrerequisiteError        MachineBusyError · HostNotReadyError · DiskNotSupportedError
│                            ConsistencyRefusedError · CrashConsistencyUncertainError
├── PlanRefusedError         PlanChangedError · NotAllowedError
├── HostError                HostUnreachableError · HostRefusedError · CheckpointFailedError
│                            StateChangeFailedError · DiskUnreadableError · DiskChangedError
│                            TrackingLostError
├── ReplicaInconsistentError
├── RepositoryError          RepositoryUnavailableError · RepositoryLockedError
│                            RepositoryExistsError · RepositoryKeyError · VolumeFullError
│                            BlockMissingError · BlockDamagedError
├── RecoveryError            TargetExistsError · TargetFullError · ItemNotFoundError
├── CatalogueError           CatalogueLockedError · SchemaTooNewError
├── JobStoppedError
└── SettingsError

Each class has a stable `code` and says with `retry` what must happen before the same thing is
worth trying again. Each instance carries its facts in the message and the next step in `hint`.
"""

from enum import StrEnum
from typing import ClassVar


class Retry(StrEnum):
    """What must happen before another attempt makes sense."""

    SOON = "soon"
    LATER = "later"
    AFTER_CONSISTENCY_CHECK = "after_consistency_check"
    OPERATOR = "operator"


class ReconcilerError(Exception):
    """An expected failure: it names the thing, the reason and the next step."""

    code: ClassVar[str] = "reconciler"
    retry: Retry = Retry.OPERATOR
    """Of the class, unless an instance knows better."""

    def __init__(self, message: str, *, hint: str, **facts: object) -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint
        self.facts = facts


class PolicyError(ReconcilerError):
    """What an operator wrote cannot be used; nothing was changed."""

    code = "policy"


class PolicySyntaxError(PolicyError):
    """The text is not the YAML we accept."""

    code = "policy.syntax"


class UnknownKeyError(PolicyError):
    """A key that no policy of this kind has."""

    code = "policy.unknown_key"


class PolicyConflictError(PolicyError):
    """Two policies that contradict each other, or a name that nothing answers to."""

    code = "policy.conflict"


class PrerequisiteError(ReconcilerError):
    """A host, machine or disk is not fit for what was asked."""

    code = "prerequisite"


class MachineBusyError(PrerequisiteError):
    """Another operation of the machine is running; nothing was changed."""

    code = "prerequisite.machine_busy"
    retry = Retry.SOON


class HostNotReadyError(PrerequisiteError):
    """The host lacks something that protection needs."""

    code = "prerequisite.host_not_ready"


class DiskNotSupportedError(PrerequisiteError):
    """A disk image that cannot be protected or read as it is."""

    code = "prerequisite.disk_not_supported"


class ConsistencyRefusedError(PrerequisiteError):
    """The machine cannot be captured as its policy wants, and the policy refuses anything less."""

    code = "prerequisite.consistency_refused"
    retry = Retry.LATER


class CrashConsistencyUncertainError(PrerequisiteError):
    """A replica machine is in a state in which its disks may not even be crash-consistent."""

    code = "prerequisite.crash_consistency_uncertain"
    retry = Retry.LATER

    def __init__(self, message: str, *, hint: str, retry: Retry, **facts: object) -> None:
        super().__init__(message, hint=hint, **facts)
        self.retry = retry


class PlanRefusedError(ReconcilerError):
    """The plan must not be carried out."""

    code = "plan.refused"


class PlanChangedError(PlanRefusedError):
    """The world is no longer the one that was planned for."""

    code = "plan.changed"


class NotAllowedError(PlanRefusedError):
    """A guard holds this until an operator allows it."""

    code = "plan.not_allowed"


class HostError(ReconcilerError):
    """A Hyper-V host did not do what it was asked."""

    code = "host"
    retry = Retry.LATER


class HostUnreachableError(HostError):
    """No WinRM answer in time; whether the call was carried out is unknown."""

    code = "host.unreachable"


class HostRefusedError(HostError):
    """The host answered, and said no: credentials, rights, end point or contract."""

    code = "host.refused"
    retry = Retry.OPERATOR


class CheckpointFailedError(HostError):
    """The operation on a checkpoint or reference point ended without success."""

    code = "host.checkpoint_failed"


class StateChangeFailedError(HostError):
    """A machine could not be saved, or could not be resumed."""

    code = "host.state_change_failed"


class DiskUnreadableError(HostError):
    """Bytes of a virtual disk could not be read, or are not a valid disk image."""

    code = "host.disk_unreadable"


class DiskChangedError(DiskUnreadableError):
    """A file that a checkpoint keeps was written to while it was read."""

    code = "host.disk_changed"


class TrackingLostError(HostError):
    """Change tracking does not know the id: only a comparison of hashes can help."""

    code = "host.tracking_lost"
    retry = Retry.SOON


class ReplicaInconsistentError(ReconcilerError):
    """The replica may differ from its source."""

    code = "replica.inconsistent"
    retry = Retry.AFTER_CONSISTENCY_CHECK


class RepositoryError(ReconcilerError):
    """The repository cannot give or take what was asked."""

    code = "repository"


class RepositoryUnavailableError(RepositoryError):
    """The repository's storage is missing, full or read-only."""

    code = "repository.unavailable"
    retry = Retry.LATER


class VolumeFullError(RepositoryUnavailableError):
    """Writing would take the room that deleting needs, or more than the quota; it stopped first."""

    code = "repository.volume_full"


class RepositoryExistsError(RepositoryError):
    """There is a repository already where one was to be made."""

    code = "repository.exists"


class RepositoryKeyError(RepositoryError):
    """The repository is encrypted, and no key opens it."""

    code = "repository.key"


class RepositoryLockedError(RepositoryError):
    """Another process writes to the repository."""

    code = "repository.locked"
    retry = Retry.LATER


class BlockMissingError(RepositoryError):
    """A block that a manifest names is not in the repository."""

    code = "repository.block_missing"


class BlockDamagedError(RepositoryError):
    """Stored bytes do not match their checksum."""

    code = "repository.block_damaged"


class RecoveryError(ReconcilerError):
    """A recovery cannot be made as asked; the target was left as it was."""

    code = "recovery"


class TargetExistsError(RecoveryError):
    """The target already holds something."""

    code = "recovery.target_exists"


class TargetFullError(RecoveryError):
    """The target has no room."""

    code = "recovery.target_full"


class ItemNotFoundError(RecoveryError):
    """No such machine, recovery point, disk or file."""

    code = "recovery.item_not_found"


class CatalogueError(ReconcilerError):
    """The catalogue cannot be used."""

    code = "catalogue"


class CatalogueLockedError(CatalogueError):
    """Another reconciler leads this catalogue."""

    code = "catalogue.locked"
    retry = Retry.SOON


class SchemaTooNewError(CatalogueError):
    """The catalogue was written by a newer version."""

    code = "catalogue.schema_too_new"


class JobStoppedError(ReconcilerError):
    """A job ended before its time because it was asked to; it left nothing behind."""

    code = "job.stopped"
    retry = Retry.SOON


class SettingsError(ReconcilerError):
    """The reconciler's own settings (folders, clock, secrets) cannot be used."""

    code = "settings"
