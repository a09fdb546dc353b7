"""Storage migration of a machine that stays where it is: its disks go to another folder."""

from pathlib import PureWindowsPath

from reconciler.errors import ItemNotFoundError, MachineBusyError, SettingsError
from reconciler.lab.book import HostBook
from reconciler.lab.files import copy_sparse
from reconciler.lab.state import MachineState, new_id


def move_storage(book: HostBook, machine: MachineState, folder: str) -> tuple[str, ...]:
    """Copy the disks, change over to the copies, and delete what is left; where they are then.

    What was changed since any reference point is not known any more: the reference points stay,
    and their ids mean nothing. A kill on the way leaves files that nobody has.

    Raises:
        MachineBusyError: It has checkpoints, or differencing disks.
        SettingsError, ItemNotFoundError: The folder cannot take the disks.
    """
    if machine.checkpoints or any(len(disk.chain) > 1 for disk in machine.disks):
        raise MachineBusyError(
            f"{machine.name} has checkpoints, or a merge is under way",
            hint="wait for the end of its backup",
        )
    disks = [disk for disk in machine.disks if disk.chain]
    moves = {disk.chain[0]: _target(book, machine, disk.chain[0], folder) for disk in disks}
    if len({new.lower() for new in moves.values()}) < len(moves):
        raise SettingsError(
            f"{machine.name} has disks of equal file names", hint="they cannot lie in one folder"
        )
    for old, new in moves.items():
        book.local(new).parent.mkdir(parents=True, exist_ok=True)
        copy_sparse(book.local(old), book.local(new))
    for disk in disks:
        disk.chain = [moves[disk.chain[0]]]
        disk.tracking = new_id()
    book.save()
    for old in moves:
        book.local(old).unlink()
    return tuple(moves.values())


def _target(book: HostBook, machine: MachineState, old: str, folder: str) -> str:
    path = PureWindowsPath(folder)
    if not path.is_absolute() or ".." in path.parts:
        raise SettingsError(
            f"{folder} is no whole path of a folder on Windows", hint="such as D:\\VMs\\moved"
        )
    shared = [volume.path for volume in book.cluster.read().volumes] if book.cluster else []
    known = shared if machine.is_clustered else [v.path for v in book.state.volumes] + shared
    if not any(f"{folder}\\".startswith(volume) for volume in known):
        raise ItemNotFoundError(
            f"{book.state.name} has no volume for {folder} that {machine.name} can be on",
            hint=f"one of {', '.join(known)}",
        )
    new = str(path / PureWindowsPath(old).name)
    if book.local(new).exists():
        raise SettingsError(f"there is a file {new} already", hint="choose another folder")
    return new
