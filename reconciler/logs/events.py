"""Every event that is logged: one list."""

from enum import StrEnum
from typing import Self, TypedDict


class Event(StrEnum):
    """Every event that is logged, with its meaning."""

    meaning: str

    def __new__(cls, value: str, meaning: str) -> Self:
        """Take the name and, beside it, what it means."""
        member = str.__new__(cls, value)
        member._value_ = value
        member.meaning = meaning
        return member

    PASS_STARTED = "pass.started", "What was planned begins to be done."
    PASS_FINISHED = (
        "pass.finished",
        "What was planned has been done or has failed; the pass in figures.",
    )
    PLAN_MADE = "plan.made", "It is decided what is due, and why."
    PLAN_REFUSED = "plan.refused", "A guard or a changed world holds the plan; nothing was done."
    HOST_ANSWERED = "host.answered", "A host told what runs on it."
    HOST_SILENT = "host.silent", "A host gave no usable answer; its machines are unknown, not gone."
    JOB_STARTED = "job.started", "A worker claimed a job."
    JOB_PROGRESSED = "job.progressed", "A long job is still at work."
    JOB_FINISHED = "job.finished", "A job did what it promised; what it cost."
    JOB_FAILED = "job.failed", "A job ended without doing what it promised."
    JOB_SKIPPED = "job.skipped", "What was planned was not tried, because of what failed before it."
    JOB_UNCONFIRMED = "job.not_confirmed", "A job at work could not confirm that it is still ours."
    JOB_ABANDONED = "job.abandoned", "The holder of a job is gone; the job was ended for it."
    CHECKPOINT_TAKEN = "checkpoint.taken", "A host froze a machine's disks for us."
    CONFIGURATION_LEFT_OUT = (
        "configuration.left_out",
        "A recovery point comes without a configuration file of its machine, and says so.",
    )
    CHECKPOINT_REMOVED = "checkpoint.removed", "A checkpoint of ours is gone from its host."
    REFERENCE_POINT_MADE = "reference_point.made", "A host counts changes from here for us."
    REFERENCE_POINT_REMOVED = (
        "reference_point.removed",
        "A reference point of ours is gone from its host.",
    )
    MERGE_ENDED = "merge.ended", "A host has merged a machine's disks after its backup."
    MERGE_GOES_ON = (
        "merge.not_confirmed",
        "The merge after a backup had not ended when its job did; the next passes look at it.",
    )
    RECOVERY_POINT_CREATED = "recovery_point.created", "A new version can be recovered from."
    RECOVERY_POINT_ADOPTED = (
        "recovery_point.adopted",
        "A sealed version that the catalogue did not know is in it now.",
    )
    MEDIA_IMPORTED = (
        "media.imported",
        "What media hold of a machine is on its volume, not compared.",
    )
    REPLICA_CREATED = "replica.created", "A data source has its first verified copy."
    DISKS_READ_OVER_SMB = (
        "disks.read_over_smb",
        "A share of a host shows its disks as its agent does; they are read there.",
    )
    DISKS_READ_BY_AGENT = (
        "disks.read_by_agent",
        "A share of a host cannot be relied on; its agent hands out the blocks, which is slower.",
    )
    DISK_COMPARED = "disk.compared", "A disk was compared with its replica by block hashes."
    DISK_SAMPLED = (
        "disk.sampled",
        "A few blocks that a host calls unchanged were compared with the replica.",
    )
    PAGE_FILES_LEFT_OUT = (
        "page_files.left_out",
        "Page files of a guest were not copied; the recovery point says which bytes.",
    )
    PAGE_FILES_UNKNOWN = (
        "page_files.unknown",
        "A disk or volume is none whose page files are looked for; all of it is copied.",
    )
    TRACKING_LOST = "tracking.lost", "A host cannot tell what changed; hashes are compared instead."
    LEFTOVER_REMOVED = "leftover.removed", "Something that an interrupted job left was removed."
    LEFTOVER_AMBIGUOUS = (
        "leftover.ambiguous",
        "Something may be ours and may be another's; it was left alone.",
    )
    LEFTOVER_STAYS = (
        "leftover.stayed",
        "Something of ours could not be removed now; the next pass tries again.",
    )
    RECOVERY_FINISHED = "recovery.finished", "What was asked back is back."
    REPLICA_CHECKED = "replica.checked", "A replica was compared with its source and repaired."
    REPLICA_DOUBTED = "replica.marked_inconsistent", "A replica may differ from its source."
    SLOTS_MISSED = "recovery_point.missed", "Slots passed without their recovery point."
    POINTS_EXPIRED = "recovery_points.expired", "Recovery points beyond their retention are gone."
    POINTS_DELETED = "recovery_points.deleted", "A person let a machine's recovery points go."
    REPOSITORY_VERIFIED = (
        "repository.verified",
        "A repository was looked through for damage; how far, and what was found.",
    )
    BLOCK_DAMAGED = "block.found_damaged", "A recovery point holds something that is damaged."
    PACK_HEALED = "pack.healed", "A pack with damage was written anew; what could be given back."
    PACKS_DELETED = (
        "packs.deleted",
        "What nothing refers to is gone: packs, and parts of packs.",
    )
    MACHINE_SAVED = "machine.saved", "A machine was saved for its capture."
    MACHINE_RESUMED = "machine.resumed", "A machine that we saved runs on."
    MACHINE_STAYS_SAVED = (
        "machine.stays_saved",
        "A machine that we saved could not be resumed; the next pass tries again.",
    )
    MACHINE_FOLLOWED = (
        "machine.followed",
        "A machine is on another node of its cluster; its job goes on there, or tidies up there.",
    )
    ALERT_OPENED = "alert.opened", "A condition needs attention."
    ALERT_RESOLVED = "alert.resolved", "A condition that needed attention is gone."
    REQUEST_OPENED = "request.opened", "A person asked for something."
    REQUEST_CLOSED = "request.closed", "What a person asked for was done, or cannot be."
    RUN_STARTED = "run.started", "The loop runs."
    RUN_STOPPING = "run.stopping", "The loop was asked to end; jobs at work end first."
    RUN_STOPPED = "run.stopped", "The loop has ended."
    PASS_FAILED = (
        "pass.failed",
        "A pass of the loop ended without a plan; the next one tries again.",
    )
    JOB_HELD = "job.held", "A planned action waits: for its turn, or until another try is due."
    CLOCK_JUMPED = "clock.jumped", "The clock moved otherwise than time passed; expiry pauses."
    POLICIES_LOADED = "policies.loaded", "These policies are in force now."
    POLICIES_REJECTED = "policies.rejected", "A policy file is broken; its last good version holds."
    LEAD_TAKEN = "lead.taken", "This process leads its catalogue."
    CATALOGUE_REBUILT = "catalogue.rebuilt", "A new catalogue was made from the repositories."
    COMMAND_CRASHED = "command.crashed", "A fault of ours ended a command; please report it."


class Ids(TypedDict, total=False):
    """What lines can be found by."""

    policy_digest: str
    plan: str
    job: str
    vm: str
    recovery_point: str
    host: str
    protection_group: str
