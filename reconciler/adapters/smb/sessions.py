"""Sessions with one file server that several threads share, each used by one at a time."""

from collections.abc import Callable
from threading import Lock
from typing import TypeVar

from reconciler.adapters.smb.errors import is_lost
from reconciler.adapters.smb.session import SmbServer, SmbSession
from reconciler.adapters.smb.share import Share
from reconciler.adapters.smb.store_errors import store_error

T = TypeVar("T")


class ShareSessions:
    """As many sessions as threads have needed at once; connects at the first call."""

    def __init__(self, server: SmbServer, password: str, share: str, place: str) -> None:
        self._server = server
        self._password = password
        self._share = share
        self._place = place
        self._idle: list[SmbSession] = []
        self._lock = Lock()

    def __repr__(self) -> str:
        return f"ShareSessions({self._place!r})"

    def use(self, step: Callable[[Share], T]) -> T:
        """What a step makes of the share; it is done once more after a connection was lost.

        Raises:
            OSError: It cannot be done, or the server not be reached.
        """
        try:
            return self._attempt(step)
        except Exception as error:
            if not is_lost(error):
                raise store_error(error, self._place) from error
        self.close()  # those that wait were most likely lost with it
        try:
            return self._attempt(step)
        except Exception as error:
            raise store_error(error, self._place) from error

    def close(self) -> None:
        """End the sessions that nobody uses; never raises."""
        with self._lock:
            idle, self._idle = self._idle, []
        for session in idle:
            session.cut()

    def _attempt(self, step: Callable[[Share], T]) -> T:
        session = self._taken()
        try:
            done = step(Share(session, self._share))
        except BaseException:
            session.cut()  # answers may still be under way, and a file open
            raise
        with self._lock:
            self._idle.append(session)
        return done

    def _taken(self) -> SmbSession:
        with self._lock:
            if self._idle:
                return self._idle.pop()
        return SmbSession(self._server, self._password)
