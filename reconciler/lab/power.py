"""How a host ends and begins, and what its System log says of it.

A process that is killed and started again is still the same uptime of the host: the lab was only
stopped. A host goes down when somebody says so, and then it has booted anew when it is next opened.
"""

from pathlib import Path

from reconciler.lab.book import HostBook, write_state
from reconciler.lab.files import FolderLock
from reconciler.lab.state import EventRecord, HostState, Power

KEPT_EVENTS = 10_000

EVENT_LOG = "EventLog"
KERNEL_POWER = "Microsoft-Windows-Kernel-Power"
FAILOVER_CLUSTERING = "Microsoft-Windows-FailoverClustering"
USER32 = "User32"
CLEAN_STOP = (EVENT_LOG, 6006)
UNEXPECTED_STOP = (EVENT_LOG, 6008)
NO_CLEAN_STOP = (KERNEL_POWER, 41)
SHUTDOWN_STARTED = (USER32, 1074)
NODE_LOST = (FAILOVER_CLUSTERING, 1135)
"""Provider and id of events. Source: hyperv-facts.md §3.3."""


def computer_name(host: str) -> str:
    """What the host of this name in the lab calls itself."""
    return host.upper()


def note_event(book: HostBook, event: tuple[str, int], about: str | None = None) -> None:
    """Write into the host's log; not saved. `about` is the name of another host of the lab."""
    state = book.state
    state.last_record_id += 1
    provider, number = event
    record = EventRecord(
        record_id=state.last_record_id,
        provider=provider,
        id=number,
        at=book.stamp(),
        node=computer_name(about or state.name),
    )
    state.events = [*state.events[-KEPT_EVENTS + 1 :], record]


def note_shutdown(book: HostBook) -> None:
    """The host is about to go down as somebody planned; saying so twice changes nothing."""
    if book.state.power is Power.ON:
        note_event(book, SHUTDOWN_STARTED)
        note_event(book, CLEAN_STOP)
        book.state.power = Power.STOPPED
        book.save()


def note_boot(book: HostBook) -> None:
    """The host is up; it has booted if it was down."""
    if book.state.power is Power.ON:
        return
    if book.state.power is Power.LOST:
        note_event(book, NO_CLEAN_STOP)
        note_event(book, UNEXPECTED_STOP)
    book.state.booted_at = book.stamp()
    book.state.power = Power.ON
    book.save()


def note_loss(folder: Path) -> None:
    """A host whose process is gone went down with no warning.

    Raises:
        SettingsError: Its process still runs.
    """
    lock = FolderLock(folder)
    try:
        state = HostState.parse((folder / "state.json").read_bytes())
        state.power = Power.LOST
        write_state(folder, state)
    finally:
        lock.release()
