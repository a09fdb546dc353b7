"""Values of the catalogue as JSON texts of bounded size."""

import json
from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from reconciler.errors import CatalogueError
from reconciler.model.names import (
    DiskId,
    JobId,
    RctId,
    RecoveryPointId,
    ReferencePointId,
    RequestId,
    VolumeId,
)
from reconciler.record.work import Intent, JobOutcome, Progress

MOST_CHARACTERS = 1 << 20
"""Most that one value may take: a parameter or fact is no place for bulk data."""
MOST_TEXT = 4000
"""Most characters of a text that hosts may have a part in."""


def json_text(value: Mapping[str, Any], what: str) -> str:
    """A mapping as JSON.

    Raises:
        CatalogueError: It holds something that JSON has no word for, or too much.
    """
    try:
        text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise CatalogueError(
            f"{what} cannot be written down: {error}",
            hint="give texts, numbers, yes or no, lists and mappings only",
        ) from error
    if len(text) > MOST_CHARACTERS:
        raise CatalogueError(
            f"{what} has {len(text)} characters, the most is {MOST_CHARACTERS}",
            hint="name fewer things at once",
        )
    return text


def mapping(text: str, what: str) -> dict[str, Any]:
    """Inverse of `json_text`.

    Raises:
        CatalogueError: The text is not what `json_text` writes.
    """
    try:
        value = json.loads(text)
    except ValueError as error:
        raise _damaged(what) from error
    if not isinstance(value, dict):
        raise _damaged(what)
    return value


def rct_ids_text(rct_ids: Mapping[DiskId, RctId]) -> str:
    """RCT ids as JSON."""
    return json_text({str(d): r for d, r in rct_ids.items()}, "the change tracking ids")


def rct_ids(text: str) -> dict[DiskId, RctId]:
    """Inverse of `rct_ids_text`."""
    found = mapping(text, "the change tracking ids")
    return {DiskId(str(disk)): RctId(str(rct)) for disk, rct in found.items()}


def intent_text(intent: Intent) -> str:
    """An intent as JSON."""
    return json_text(asdict(intent), f"the intent of job {intent.job}")


def intent(text: str) -> Intent:
    """Inverse of `intent_text`."""
    found = mapping(text, "the intent of a job")
    base, base_reference = found.get("base_recovery_point"), found.get("base_reference_point")
    save, resume = found.get("save_request"), found.get("resume_request")
    try:
        return Intent(
            job=JobId(found["job"]),
            volume=VolumeId(found["volume"]),
            recovery_point=RecoveryPointId(found["recovery_point"]),
            checkpoint_name=found["checkpoint_name"],
            checkpoint_request=RequestId(found["checkpoint_request"]),
            conversion_request=RequestId(found["conversion_request"]),
            reference_points_seen=tuple(map(ReferencePointId, found["reference_points_seen"])),
            base_recovery_point=RecoveryPointId(base) if base else None,
            base_reference_point=ReferencePointId(base_reference) if base_reference else None,
            save_request=RequestId(save) if save else None,
            resume_request=RequestId(resume) if resume else None,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise _damaged("the intent of a job") from error


def progress_text(progress: Progress) -> str:
    """Progress as JSON."""
    return json_text(asdict(progress), "the progress of a job")


def progress(text: str) -> Progress:
    """Inverse of `progress_text`."""
    try:
        return Progress(**mapping(text, "the progress of a job"))
    except TypeError as error:
        raise _damaged("the progress of a job") from error


def outcome_text(outcome: JobOutcome) -> str:
    """An outcome as JSON; texts from hosts are cut, so that the end of a job is always written."""
    fields = asdict(outcome)
    fields |= {name: fields[name][:MOST_TEXT] for name in ("code", "message", "hint")}
    return json_text(fields, "the outcome of a job")


def outcome(text: str) -> JobOutcome:
    """Inverse of `outcome_text`."""
    try:
        return JobOutcome(**mapping(text, "the outcome of a job"))
    except TypeError as error:
        raise _damaged("the outcome of a job") from error


def _damaged(what: str) -> CatalogueError:
    return CatalogueError(
        f"{what} in the catalogue is damaged",
        hint="restore it from a copy; the repository still holds every recovery point",
    )
