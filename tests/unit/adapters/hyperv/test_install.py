"""Installing: whatever it finds, and wherever it was killed, the host ends as it is wanted."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

import pytest

from reconciler.adapters.hyperv.install import deeds
from reconciler.adapters.hyperv.install.administrator import Seen
from reconciler.adapters.hyperv.install.files import (
    CONFIGURATION_FILE,
    ROLE_FILE,
    ModuleVersion,
    Wanted,
    sha256,
    this_version,
)
from reconciler.adapters.hyperv.install.installer import Installer, Manners
from reconciler.adapters.hyperv.install.verify import Complaint
from reconciler.agent_contract import AgentFunction
from reconciler.agent_contract.jea import Access
from reconciler.errors import (
    HostNotReadyError,
    HostRefusedError,
    HostUnreachableError,
    NotAllowedError,
)
from reconciler.model.names import HostName

NAME = "ReconcilerAgent"
ACCESS = Access(("D\\svc",))
OLD = ModuleVersion("1.0.0", {"ReconcilerAgent.psd1": b"old", "Public/A.ps1": b"a"}, b"old role")
NEW = ModuleVersion(
    "1.1.0",
    {"ReconcilerAgent.psd1": b"new", "Public/A.ps1": b"a", "Public/B.ps1": bytes(300_000)},
    b"new role",
)
WANTED = Wanted(NEW, ACCESS)
HOST_IS_GONE = HostUnreachableError("gone", hint="wait")


class KilledError(Exception):
    """The installer's process is gone."""


@dataclass
class Disk:
    """A host: the files of the agent's folder, what is registered, what is in force."""

    files: dict[str, bytes] = field(default_factory=dict)
    registered: bytes | None = None
    in_force: bytes | None = None
    calls: int = 0
    dies_at: int = -1
    done: list[str] = field(default_factory=list)
    is_restarting: bool = False

    def look(self, configuration: str, deed: AgentFunction = deeds.LOOK) -> Seen:
        assert configuration == NAME
        if self.is_restarting and deed.changes_something:
            self.is_restarting = False
            raise HOST_IS_GONE
        hashes = {path: sha256(data) for path, data in self.files.items()}
        is_there = self.registered is not None
        return Seen("C:\\x", hashes, is_there, sha256(self.registered or b"") if is_there else "")

    def do(self, deed: AgentFunction, arguments: Mapping[str, object]) -> None:
        if self.calls == self.dies_at:
            raise KilledError
        self.calls += 1
        self.done.append(deed.name)
        if deed in {deeds.REGISTER, deeds.UNREGISTER}:
            is_there = deed is deeds.REGISTER
            self.registered = self.files[CONFIGURATION_FILE] if is_there else None
        elif deed is deeds.RESTART:
            self.in_force, self.is_restarting = self.registered, True
        elif deed is deeds.WRITE:
            self.write(str(arguments["Path"]), arguments["Offset"], arguments["Data"])
        else:
            self.change(deed, str(arguments["Path"]), str(arguments.get("Destination", "")))

    def write(self, path: str, offset: object, data: object) -> None:
        assert isinstance(data, bytes)
        assert isinstance(offset, int)
        assert 0 < len(data) <= deeds.PIECE_BYTES
        self.files[path] = (self.files[path][:offset] if offset else b"") + data

    def change(self, deed: AgentFunction, path: str, to: str) -> None:
        found = list(below(self.files, path))
        if deed is deeds.COPY:
            self.files[to] = self.files[path]
            return
        assert found or deed is deeds.REMOVE
        assert path in self.files or not list(below(self.files, to))
        for each in found:
            data = self.files.pop(each)
            if deed is deeds.MOVE:
                self.files[to + each.removeprefix(path)] = data

    def close(self) -> None:
        """Nothing is open."""


def below(files: Mapping[str, bytes], path: str) -> Iterator[str]:
    return (each for each in files if each == path or each.startswith(f"{path}/"))


def installer(disk: Disk, *, confirms: bool = True, is_dry: bool = False) -> Installer:
    manners = Manners(lambda _: None, lambda _: confirms, is_dry)
    return Installer(HostName("hv1"), NAME, disk, manners)  # type: ignore[arg-type]


def install(disk: Disk, wanted: Wanted = WANTED, *, is_well: bool = True) -> None:
    wrong = [] if is_well else [Complaint("it does not answer", "look")]
    assert installer(disk).install(wanted, lambda: wrong) == wrong


def expected(agent: ModuleVersion = NEW) -> dict[str, bytes]:
    configuration = WANTED.configuration()
    assert configuration is not None
    module = {f"{agent.version}/{path}": data for path, data in agent.module.items()}
    return {**module, ROLE_FILE: agent.role, CONFIGURATION_FILE: configuration}


def installed(agent: ModuleVersion) -> Disk:
    disk = Disk()
    install(disk, Wanted(agent, ACCESS))
    return replace(disk, calls=0, done=[])


def tampered() -> Disk:
    disk = installed(NEW)
    disk.files["1.1.0/Public/A.ps1"] = b"other"
    disk.files["1.1.0/Public/C.ps1"] = b"strange"
    disk.registered = b"other"
    return disk


BEGINNINGS = {
    "bare": Disk,
    "older": lambda: installed(OLD),
    "newer": lambda: installed(replace(OLD, version="1.10.0")),
    "tampered": tampered,
}


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_wherever_it_was_killed_the_next_run_ends_as_wanted(beginning: str) -> None:
    whole = BEGINNINGS[beginning]()
    install(whole)
    assert whole.calls > 3
    for killed_at in range(whole.calls):
        disk = BEGINNINGS[beginning]()
        disk.dies_at = killed_at
        with pytest.raises(KilledError):
            install(disk)
        disk.dies_at = -1

        install(disk)

        assert disk.files == expected(), killed_at
        assert disk.in_force == disk.registered == WANTED.configuration(), killed_at


@pytest.mark.parametrize("beginning", BEGINNINGS)
def test_what_is_as_wanted_is_left_alone(beginning: str) -> None:
    disk = BEGINNINGS[beginning]()
    install(disk)
    calls = disk.calls

    install(disk)
    install(disk, Wanted(NEW, None))

    assert disk.calls == calls


def test_an_update_sends_only_what_differs_and_restarts_nothing() -> None:
    disk = installed(OLD)

    install(disk, Wanted(NEW, None))

    assert disk.files == expected()
    assert disk.done.count("Copy-File") == 2  # A.ps1, and the role that may have to come back
    assert not {"Register-EndPoint", "Restart-WinRM"} & set(disk.done)


@pytest.mark.parametrize("version", ["1.0.0", "1.1.0", "1.10.0"])
def test_a_version_that_does_not_verify_gives_way_to_the_one_before(version: str) -> None:
    before = replace(OLD, version=version)
    disk = installed(before)

    install(disk, Wanted(NEW, None), is_well=False)
    served = {p: d for p, d in disk.files.items() if not p.startswith(".")}

    assert served == expected(before)


def test_who_does_not_confirm_the_restart_changes_nothing() -> None:
    disk = Disk()

    with pytest.raises(NotAllowedError):
        installer(disk, confirms=False).install(WANTED, list)

    assert (disk.files, disk.calls) == ({}, 0)


def test_a_dry_run_does_nothing() -> None:
    for disk in (Disk(), tampered()):
        before = dict(disk.files)
        installer(disk, confirms=False, is_dry=True).install(WANTED, list)
        installer(disk, confirms=False, is_dry=True).remove()

        assert (disk.files, disk.calls) == (before, 0)


def test_there_is_nothing_to_update_where_nothing_is_installed() -> None:
    with pytest.raises(HostNotReadyError, match="not installed"):
        installer(Disk()).install(Wanted(NEW, None), list)


def test_wherever_removal_was_killed_the_next_one_ends_it() -> None:
    whole = installed(NEW)
    installer(whole).remove()
    for killed_at in range(whole.calls):
        disk = installed(NEW)
        disk.files |= {"notes.txt": b"mine", "Mine/x.ps1": b"mine"}
        disk.dies_at = killed_at
        with pytest.raises(KilledError):
            installer(disk).remove()
        disk.dies_at = -1

        left = installer(disk).remove()

        assert set(left) == set(disk.files) == {"notes.txt", "Mine/x.ps1"}
        assert disk.registered is disk.in_force is None


def test_an_end_point_of_the_same_name_that_is_not_ours_is_left_alone() -> None:
    disk = Disk(registered=b"foreign")

    with pytest.raises(HostRefusedError, match="not be ours"):
        installer(disk).remove()

    assert disk.registered == b"foreign"


def test_this_version_has_all_that_the_module_consists_of() -> None:
    agent = this_version()

    assert agent.version in agent.module["ReconcilerAgent.psd1"].decode()
    assert {path.partition("/")[0] for path in agent.module} == {
        "Private",
        "Public",
        "ReconcilerAgent.psd1",
        "ReconcilerAgent.psm1",
    }
