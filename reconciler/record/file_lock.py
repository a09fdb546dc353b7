"""An exclusive lock on an open file, held until it is closed or the process ends, however it ends.

POSIX locks the whole file and says nothing to readers. Windows locks bytes and keeps readers out of
them, so one byte far behind the text is locked there; this way has not been tried.
"""

import sys

_FAR = 1 << 30

if sys.platform == "win32":
    import msvcrt
    import os

    def try_lock(descriptor: int) -> bool:
        """Take the lock without waiting; False when another open file holds it."""
        os.lseek(descriptor, _FAR, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        finally:
            os.lseek(descriptor, 0, os.SEEK_SET)
        return True
else:
    import fcntl

    def try_lock(descriptor: int) -> bool:
        """Take the lock without waiting; False when another open file holds it."""
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True
