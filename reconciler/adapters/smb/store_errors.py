"""What SMB says, as the errors that every store raises."""

import errno
from typing import Final

from smbprotocol import exceptions as smb  # type: ignore[import-untyped]

from reconciler.adapters.smb.errors import CannotConnectError, LoginFailedError, shown

_MEANINGS: Final = {
    0xC000007F: (errno.ENOSPC, "is full"),
    0xC0000044: (errno.EDQUOT, "has given us all of our quota"),
    0xC00000A2: (errno.EROFS, "is read-only"),
    0xC0000022: (errno.EACCES, "denies our account"),
    0xC00000CC: (errno.ENXIO, "is not there"),
}
"""Source: [MS-ERREF] 2.3.1."""


def store_error(error: Exception, place: str) -> OSError:
    """The error for what was raised while a store was used. Covers everything."""
    number, what = _meaning(error)
    return OSError(number, f"{place} {what}")


def _meaning(error: Exception) -> tuple[int, str]:
    match error:
        case LoginFailedError():
            found = errno.EACCES, f"does not let us in: {shown(error)}"
        case CannotConnectError():
            found = errno.EHOSTUNREACH, f"cannot be reached: {shown(error)}"
        case TimeoutError():
            found = errno.ETIMEDOUT, "did not answer in time"
        case smb.SMBResponseException():
            number, what = _MEANINGS.get(error.status, (errno.EPROTO, "cannot do it now"))
            found = number, f"{what} ({shown(error)})"
        case smb.SMBConnectionClosed() | OSError():
            found = errno.ECONNRESET, "cut the connection"
        case _:
            what = f"gave an answer that is not understood: {type(error).__name__}: {shown(error)}"
            found = errno.EPROTO, what
    return found
