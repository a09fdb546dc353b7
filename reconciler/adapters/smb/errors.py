"""What smbprotocol and the network raise, as errors of ours.

Source: reference/psrp-smb.md §5, and [MS-ERREF] 2.3.1 for the meaning of each status.
"""

from collections.abc import Callable
from typing import Final

from smbprotocol import exceptions as smb  # type: ignore[import-untyped]

from reconciler.adapters.kerberos import kerberos_trouble
from reconciler.errors import DiskUnreadableError, HostError, HostRefusedError, HostUnreachableError

MAX_SHOWN: Final = 200

_NOT_THERE: Final = (
    smb.ObjectNameNotFound,
    smb.ObjectPathNotFound,
    smb.ObjectNameInvalid,
    smb.ObjectPathSyntaxBad,
    smb.NoSuchFile,
    smb.NotFound,
    smb.BadNetworkName,
    smb.FileIsADirectory,
    smb.StatusNotADirectory,
    smb.DeletePending,
)
_FULL: Final = (
    smb.InsufficientResources,
    smb.InsuffServerResources,
    smb.RequestNotAccepted,
    smb.ServerUnavailable,
    smb.IOTimeout,
)
_GONE: Final = (smb.UserSessionDeleted, smb.FileClosed)


class LoginFailedError(Exception):
    """The server, or our own library, did not take our account."""


class CannotConnectError(Exception):
    """No connection at all."""


class SmbErrors:
    """Translates for one server."""

    def __init__(self, name: str, place: str, user: str) -> None:
        self._name = name
        self._place = place
        self._user = user or "this computer's own account"

    def translated(self, error: Exception, path: str) -> HostError:
        """Our error for what was raised while a file was read. Covers everything."""
        match error:
            case LoginFailedError():
                return self._not_let_in(error)
            case CannotConnectError():
                return self._unreachable(f"cannot be reached: {shown(error)}")
            case smb.SMBResponseException():
                return self._answered(error, path)
            case TimeoutError():
                return self._unreachable("did not answer in time")
            case smb.SMBConnectionClosed() | OSError():
                return self._unreachable("cut the connection")
            case _:
                return self._refused(
                    f"gave an answer that is not understood: {type(error).__name__}: "
                    f"{shown(error)}",
                    f"check that an SMB server of version 2 or 3 answers at {self._place}",
                )

    def _not_let_in(self, error: LoginFailedError) -> HostError:
        trouble = kerberos_trouble(error)
        if trouble is None:
            return self._refused(
                f"did not let {self._user} in: {shown(error)}",
                "check user and password in its policy",
            )
        what = f"cannot be signed in to as {self._user}: Kerberos: {trouble.reason[:MAX_SHOWN]}"
        if trouble.is_passing:
            return self._unreachable(what, trouble.hint)
        return self._refused(what, trouble.hint)

    def _answered(self, error: smb.SMBResponseException, path: str) -> HostError:
        what = f"{self._name} ({self._place})"
        match error:
            case smb.AccessDenied():
                return self._refused(
                    f"denies {self._user} to read {path}",
                    "give the account the right to read, on the share and in its folders",
                )
            case smb.PathNotCovered():
                text, hint = "is in a DFS namespace", "name the server that has it in the path"
            case smb.EndOfFile():
                text, hint = "ends too early", "it may have been cut short; the next pass looks"
            case smb.SharingViolation():
                text, hint = "is in use", "close the program that has it; the next pass tries again"
            case _ if isinstance(error, _NOT_THERE):
                text, hint = "is not there", "it may have been moved; the next pass looks again"
            case _ if isinstance(error, _FULL):
                return self._unreachable(f"has no room for us now: {_status(error)}")
            case _ if isinstance(error, _GONE):
                return self._unreachable(f"ended our session: {_status(error)}")
            case _:
                text, hint = f"cannot be read: {_status(error)}", "look at the server's own log"
        return DiskUnreadableError(f"{what}: {path} {text}", hint=hint, host=self._name)

    def _unreachable(self, what: str, hint: str = "") -> HostUnreachableError:
        return HostUnreachableError(
            f"the file server {self._name} ({self._place}) {what}",
            hint=hint or f"check that it runs and SMB answers at {self._place}",
            host=self._name,
        )

    def _refused(self, what: str, hint: str) -> HostRefusedError:
        return HostRefusedError(
            f"the file server {self._name} ({self._place}) {what}", hint=hint, host=self._name
        )


def is_lost(error: BaseException) -> bool:
    """Whether the session is gone while the server may be well."""
    is_cut = isinstance(error, smb.SMBConnectionClosed | ConnectionError)
    return is_cut or isinstance(error, _GONE)


def logging_in(step: Callable[[], object]) -> None:
    """Do a step of the login.

    Raises:
        LoginFailedError: Whatever the server, or our own library, did not like about us.
    """
    try:
        step()
    except (smb.SMBConnectionClosed, OSError, *_FULL):
        raise
    except Exception as error:
        is_known = isinstance(error, smb.SMBException | ValueError | ImportError)
        if is_known or kerberos_trouble(error):
            raise LoginFailedError(shown(error)) from error
        raise


def _status(error: smb.SMBResponseException) -> str:
    return f"status 0x{error.status:08x}"


def shown(error: Exception) -> str:
    """Foreign text in one short line of printable characters."""
    if isinstance(error, smb.SMBResponseException):
        return _status(error)  # its text parses the answer once more, and may raise
    line = " ".join(str(error).split())
    return "".join(sign for sign in line if sign.isprintable())[:MAX_SHOWN]
