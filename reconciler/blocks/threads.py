"""Work that several threads take in turns: the calling one and some more."""

import os
from collections.abc import Callable, Iterator
from contextvars import copy_context
from threading import Lock, Thread
from typing import Final, TypeVar

Task = TypeVar("Task")

WORKERS: Final = max(1, min(4, os.cpu_count() or 1))
"""Hashing, compressing and sealing release the interpreter, so each may keep a processor busy."""


def share(tasks: Iterator[Task], worker: Callable[[], Callable[[Task], None]]) -> None:
    """Do all tasks, each in one of WORKERS threads; they are taken one after the other.

    At most one task a thread is under way, so memory is bounded. The first error ends the work,
    once what is under way has ended, and is raised.

    Args:
        tasks: What is to be done; only one thread at a time asks for the next one.
        worker: Called once in each thread; what it returns does one task.
    """
    line = _Line(tasks)
    others = [
        Thread(target=copy_context().run, args=(line.work, worker), name=f"blocks-{number}")
        for number in range(1, WORKERS)
    ]
    for thread in others:
        thread.start()
    line.work(worker)
    for thread in others:
        thread.join()
    if line.error is not None:
        raise line.error


class _Line:
    def __init__(self, tasks: Iterator[Task]) -> None:
        self.error: BaseException | None = None
        self._tasks: Iterator[object] = tasks
        self._lock = Lock()
        self._is_over = False

    def work(self, worker: Callable[[], Callable[[Task], None]]) -> None:
        try:
            do = worker()
            while (task := self._next()) is not None:
                do(task[0])  # type: ignore[arg-type]
        except BaseException as error:  # noqa: BLE001 (raised again by the calling thread)
            with self._lock:
                self.error = self.error or error
                self._is_over = True

    def _next(self) -> tuple[object] | None:
        with self._lock:
            if self._is_over:
                return None
            for task in self._tasks:
                return (task,)
            self._is_over = True
            return None
