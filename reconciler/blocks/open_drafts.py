"""The drafts of one open repository, and how they are kept out while packs are deleted."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Condition
from weakref import WeakSet

from reconciler.blocks.draft import Draft
from reconciler.errors import RepositoryLockedError


class OpenDrafts:
    """Drafts side by side, or nobody. Several threads may share one.

    A draft that nothing refers to any more can never be sealed, so it need not be dropped.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._drafts: WeakSet[Draft] = WeakSet()
        self._is_closed = False

    def begun(self, begin: Callable[[], Draft]) -> Draft:
        """A new draft, as soon as nobody keeps them out."""
        with self._changed:
            self._changed.wait_for(lambda: not self._is_closed)
            draft = begin()
            self._drafts.add(draft)
            return draft

    @contextmanager
    def kept_out(self) -> Iterator[None]:
        """Let no draft begin; never waits.

        Raises:
            RepositoryLockedError: One is open, or somebody keeps them out already.
        """
        with self._changed:
            if self._is_closed or any(draft.is_open for draft in self._drafts):
                raise RepositoryLockedError(
                    "a recovery point is being made in the repository",
                    hint="packs are deleted when no backup writes to the volume",
                )
            self._is_closed = True
        try:
            yield
        finally:
            with self._changed:
                self._is_closed = False
                self._changed.notify_all()
