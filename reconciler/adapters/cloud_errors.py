"""What a cloud's store says, as the errors that every store raises.

The library's own text is never shown, nor kept as a cause: it has the address of the request in it,
and with a shared access signature the address is the secret.
"""

import errno
import re
from typing import Final

_STATUS: Final = re.compile(r"status code: (\d{3})")
_CODE: Final = re.compile(r"<Code>([A-Za-z0-9]{1,60})</Code>")
_NO_CONTAINER: Final = frozenset({"NoSuchBucket", "ContainerNotFound", "ContainerBeingDeleted"})
_FULL: Final = frozenset({"QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity"})
_BAD_RANGE: Final = 416
_NOT_FOUND: Final = 404
_REFUSED: Final = frozenset({400, 401, 403})
_NO_ROOM: Final = 507


class CloudAnswer:
    """What can be told of an error without its text."""

    def __init__(self, error: BaseException) -> None:
        text = str(error)
        status, code = _STATUS.search(text), _CODE.search(text)
        self.status = int(status[1]) if status else None
        self.code = code[1] if code else ""
        self.has_timed_out = "timed out" in text or "TimedOut" in text

    @property
    def is_past_the_end(self) -> bool:
        """Whether a range begins where the object has ended."""
        return self.status == _BAD_RANGE

    @property
    def is_without_container(self) -> bool:
        """Whether the service says that the whole container is not there."""
        return self.code in _NO_CONTAINER

    def error(self, place: str) -> OSError:
        """The error for it."""
        number, what = self._meaning()
        return OSError(number, f"{place} {what}{self._told()}")

    def _meaning(self) -> tuple[int, str]:
        if self.is_without_container or self.status == _NOT_FOUND:
            return errno.ENXIO, "is not there"
        if self.status == _NO_ROOM or self.code in _FULL:
            return errno.EDQUOT, "takes no more"
        if self.status in _REFUSED:
            return errno.EACCES, "refuses our key"
        if self.status is not None:
            return errno.EPROTO, "cannot do it now"
        if self.has_timed_out:
            return errno.ETIMEDOUT, "did not answer in time"
        return errno.EHOSTUNREACH, "cannot be reached"

    def _told(self) -> str:
        told = [str(part) for part in (self.status, self.code) if part]
        return f" ({' '.join(told)})" if told else ""
