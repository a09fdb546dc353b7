"""The lab's clock: real time plus an offset that a person moves, kept in a file of the lab."""

import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from reconciler.errors import SettingsError
from reconciler.lab.files import replace_file


class _Offset(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    offset_s: float = 0.0


class LabClock:
    """Calling it gives the time in the lab; every process that has the folder agrees."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "clock.json"

    def __call__(self) -> datetime:
        """The time now, aware and in UTC."""
        return datetime.fromtimestamp(time.time(), UTC) + timedelta(seconds=self.offset_s())

    def offset_s(self) -> float:
        """How far the lab is ahead of real time.

        Raises:
            SettingsError: The clock file holds something else.
        """
        try:
            return _Offset.model_validate_json(self._path.read_bytes()).offset_s
        except FileNotFoundError:
            return 0.0
        except ValidationError as error:
            raise SettingsError(
                f"{self._path} is no clock of a lab", hint="delete the file, or the lab folder"
            ) from error

    def advance(self, seconds: float) -> None:
        """Move the lab's time; backwards too, as a wrongly set clock would."""
        offset = _Offset(offset_s=self.offset_s() + seconds)
        replace_file(self._path, offset.model_dump_json().encode())

    def forget(self) -> None:
        """Let the lab have real time again."""
        self._path.unlink(missing_ok=True)
