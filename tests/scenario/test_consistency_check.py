"""A replica that cannot be trusted is compared with its source and repaired."""

import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from reconciler.app import open_app
from reconciler.blocks import sampling
from reconciler.errors import TrackingLostError
from reconciler.execute.boundaries import Boundary
from reconciler.execute.outcome import Result, Verdict
from reconciler.lab.definition import FIN_SQL01, WEB_01, HostDefinition, LabDefinition
from reconciler.lab.full_lab import OLD_01
from reconciler.model.names import HostName
from reconciler.model.observed import RequestKind
from reconciler.model.protection import CauseKind, Replica, ReplicaState
from reconciler.model.ranges import ByteRange
from reconciler.plan.actions import ConsistencyCheck, ExpressFullBackup
from reconciler.ports import HostSession, RandomAccess
from reconciler.record.entries import RequestState
from tests.lab_world import World, new_world
from tests.scenario.test_killed import killed_at

VM = "web-01"


class Forgetful:
    """A session that says that nothing has changed; all else is the real host's."""

    def __init__(self, session: HostSession) -> None:
        self._session = session

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        del path, since, virtual_bytes
        return ()


class HalfForgetful(Forgetful):
    """A session that lost the tracking of one disk, and notes which files it hashes."""

    def __init__(self, session: HostSession, lost: str) -> None:
        super().__init__(session)
        self._lost = lost
        self.hashed: set[str] = set()

    def changed_ranges(self, path: str, since: str, virtual_bytes: int) -> Sequence[ByteRange]:
        if self._lost in path:
            raise TrackingLostError(f"{path}: unknown id", hint="compare hashes")
        return self._session.changed_ranges(path, since, virtual_bytes)

    def open(self, path: str) -> RandomAccess:
        return Noted(self._session.open(path), path, self.hashed)


class Noted:
    """A file that notes that it was hashed."""

    def __init__(self, file: RandomAccess, path: str, hashed: set[str]) -> None:
        self._file = file
        self._path = path
        self._hashed = hashed
        self.size = file.size

    def read(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        return self._file.read(ranges)

    def hashes(self, ranges: Sequence[ByteRange]) -> Sequence[bytes]:
        self._hashed.add(self._path)
        return self._file.hashes(ranges)


@pytest.fixture(scope="module")
def small_world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine of one disk that is quickly read."""
    machine = replace(WEB_01, disks=OLD_01.disks)
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv2", (machine,)),)))


@pytest.fixture
def world(small_world: World, request: pytest.FixtureRequest) -> World:
    """A reconciler of its own for each test, with one point."""
    names = [item.name for item in request.session.items]
    fresh = small_world.another(f"check-{names.index(request.node.name)}")
    _, results = fresh.apply()
    assert [r.verdict for r in results] == [Verdict.DONE]
    return fresh


def doubt(world: World, reason: str = "its node was lost") -> None:
    with open_app(world.settings) as app:
        (source,) = app.catalogue.sources()
        assert app.catalogue.mark_inconsistent(source.id, reason, app.clock()())


def replica(world: World) -> Replica:
    with open_app(world.settings) as app:
        (found,) = app.catalogue.replicas().values()
        return found


def checked(world: World) -> Result:
    """The check that the next pass makes."""
    plan, results = world.apply()
    assert [type(a) for a in plan.actions] == [ConsistencyCheck]
    assert [r.verdict for r in results] == [Verdict.DONE], results
    return results[0]


def objects(world: World, kind: str) -> list[Path]:
    return sorted(
        (world.folder / world.state / "volume" / kind).rglob(
            "*.*" if kind == "packs" else "*-*-*-*-*"
        )
    )


def newest_manifest(world: World) -> Path:
    head = replica(world).head
    assert head is not None
    folder = world.folder / world.state / "volume" / "manifests"
    return folder / head.source / head.recovery_point


def flip(file: Path, offset: int) -> None:
    data = bytearray(file.read_bytes())
    data[offset] ^= 0x40
    file.write_bytes(data)


def test_what_tracking_hid_is_found_and_repaired(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCKS_SAMPLED", 0)  # by luck it finds it at once
    world.write(VM)
    world.advance(60)
    shadow = world.shadow("hidden")
    with open_app(world.settings) as app:
        plain = app.open_host
        monkeypatch.setattr(app, "open_host", lambda name: Forgetful(plain(HostName(name))))
        reconciler = app.reconciler()
        list(reconciler.carry_out(reconciler.plan()))
    assert world.differing(VM, world.points(VM)[-1], shadow) != []
    doubt(world)
    before = replica(world)

    result = checked(world)

    point = world.points(VM)[-1]
    assert world.differing(VM, point, shadow) == []
    assert point.cause.kind is CauseKind.CONSISTENCY_CHECK
    assert int(str(result.outcome.details["blocks_differing"])) > 0
    assert int(str(result.outcome.details["blocks_compared"])) > 0
    assert result.outcome.details["blocks_damaged"] == 0
    after = replica(world)
    assert before.state is ReplicaState.INCONSISTENT
    assert after.state is ReplicaState.CONSISTENT
    assert before.checked_at is not None
    assert after.checked_at == point.captured_at
    assert world.plan().actions == ()


def test_a_sample_finds_what_tracking_hid_and_a_check_follows(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCKS_SAMPLED", 1 << 16)  # more than there are
    world.write(VM)
    world.advance(60)
    shadow = world.shadow("sampled")
    with open_app(world.settings) as app:
        plain = app.open_host
        monkeypatch.setattr(app, "open_host", lambda name: Forgetful(plain(HostName(name))))
        reconciler = app.reconciler()
        (result,) = reconciler.carry_out(reconciler.plan())

    assert (result.verdict, result.error_code) == (Verdict.FAILED, "replica.inconsistent")
    doubted = replica(world)
    assert doubted.state is ReplicaState.INCONSISTENT
    assert re.search(r"block \d+: [0-9a-f]{64} held, [0-9a-f]{64} found", doubted.doubt)
    checked(world)
    assert world.differing(VM, world.points(VM)[-1], shadow) == []


def test_verify_names_the_points_that_are_hurt_and_heals_them(world: World) -> None:
    copy = world.folder / f"{world.state}-copy"
    root = world.folder / world.state / "volume"
    shutil.copytree(root, copy)
    assert world.cli("verify").returncode == 0
    flip(objects(world, "packs")[0], 200)

    quick = world.cli("verify", "--quick")
    full = world.cli("verify", VM, "--output", "json")

    assert (quick.returncode, full.returncode) == (0, 1)
    (volume,) = json.loads(full.stdout)["volumes"]
    assert volume["blocks_damaged"] == 1
    (finding,) = volume["findings"]
    assert finding["recovery_point"] == world.points(VM)[-1].id
    shown = world.cli("show", VM).stdout
    assert "damaged: disk SCSI 0:0, 1 block from" in shown
    when = next(line for line in shown.splitlines() if "read" in line).strip()[:19]
    assert f"{VM}, recovery point of {when}" in world.cli("verify").stdout
    assert "recovery_point.damaged" in {f.code for f in world.plan().findings}
    healed = world.cli("verify", "--heal", "--copy", str(copy))
    assert healed.returncode == 0, healed.stdout + healed.stderr
    assert "1 block given back, 0 lost" in healed.stdout
    assert world.points(VM)[-1].damage == ""
    assert world.differing(VM, world.points(VM)[-1], world.shadow("healed")) == []


def test_verify_says_what_to_do_after_healing_found_nothing(world: World) -> None:
    flip(objects(world, "packs")[0], 200)

    lost = world.cli("verify", "--heal")
    wrong = world.cli("verify", "--heal", "--copy", str(world.folder))

    assert (lost.returncode, wrong.returncode) == (1, 8)
    assert "0 blocks given back, 1 lost" in lost.stdout
    assert "verify --heal --copy FOLDER" in lost.stdout
    assert "another volume" not in lost.stdout
    assert f"the copy in {world.folder}" in wrong.stdout


def test_verify_misses_a_recovery_point_whose_manifest_is_gone(world: World) -> None:
    manifest = newest_manifest(world)
    kept = manifest.read_bytes()
    manifest.unlink()

    found = world.cli("verify", "--quick")

    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 recovery point damaged; 0 of 0 packs" in found.stdout
    assert f"({manifest.name}): its manifest is not in the repository" in found.stdout
    assert "damaged: its manifest is not in the repository" in world.cli("show", VM).stdout
    assert "recovery_point.damaged" in {f.code for f in world.plan().findings}
    manifest.write_bytes(kept)
    assert world.cli("verify").returncode == 0
    assert world.points(VM)[-1].damage == ""


@pytest.mark.parametrize("harm", [Path.unlink, lambda head: flip(head, 40)])
def test_verify_looks_at_the_head_of_each_replica(
    world: World, harm: Callable[[Path], None]
) -> None:
    harm(objects(world, "heads")[0])

    found = world.cli("verify", "--quick")

    assert found.returncode == 1, found.stdout + found.stderr
    assert "1 replica without a head" in found.stdout
    assert "reconciler request consistency-check" in found.stdout
    assert world.points(VM)[-1].damage == ""


@pytest.mark.parametrize("words", [("--quick", "--full"), ("--sample", "0%"), ("--copy", "x")])
def test_verify_refuses_what_makes_no_sense(world: World, words: tuple[str, ...]) -> None:
    assert world.cli("verify", *words).returncode == 64


def test_a_block_that_decayed_in_the_repository_is_copied_anew(world: World) -> None:
    shadow = world.shadow("decayed")
    flip(objects(world, "packs")[0], 200)
    with pytest.raises(Exception, match="slot"):
        world.differing(VM, world.points(VM)[-1], shadow)
    doubt(world)

    result = checked(world)

    assert result.outcome.details["blocks_damaged"] == 1
    assert result.outcome.details["blocks_differing"] == 1
    assert result.outcome.details["disks_read_in_full"] == 0
    assert world.differing(VM, world.points(VM)[-1], shadow) == []


@pytest.mark.parametrize("offset", [-40, None], ids=["damaged", "gone"])
def test_packs_that_are_lost_are_made_up_for(world: World, offset: int | None) -> None:
    shadow = world.shadow("lost")
    for pack in objects(world, "packs"):
        if offset is None:
            pack.unlink()
        else:
            flip(pack, offset)
    doubt(world)

    result = checked(world)

    assert result.outcome.details["disks_read_in_full"] == 1
    assert int(str(result.outcome.details["blocks_damaged"])) > 0
    assert world.differing(VM, world.points(VM)[-1], shadow) == []


def _remove(world: World) -> None:
    newest_manifest(world).unlink()


def _damage(world: World) -> None:
    flip(newest_manifest(world), 20)


def _damage_head(world: World) -> None:
    (head,) = objects(world, "heads")
    flip(head, 20)


@pytest.mark.parametrize("harm", [_remove, _damage, _damage_head])
def test_a_backup_that_finds_its_base_damaged_marks_the_replica_and_a_check_mends_it(
    world: World, harm: Callable[[World], None]
) -> None:
    harm(world)
    world.write(VM)
    world.advance(60)
    shadow = world.shadow("base")

    plan, (failed,) = world.apply()

    assert [type(a) for a in plan.actions] == [ExpressFullBackup]
    assert failed.error_code in {"repository.block_missing", "repository.block_damaged"}
    assert replica(world).state is ReplicaState.INCONSISTENT
    checked(world)
    assert world.differing(VM, world.points(VM)[-1], shadow) == []
    assert replica(world).state is ReplicaState.CONSISTENT
    report = world.report("hv2")
    assert report.checkpoints == ()
    with open_app(world.settings) as app:
        ours = {r.id for r in app.catalogue.reference_points()}
    assert len(ours & {r.id for r in report.reference_points}) == 1
    world.advance(60)
    plan, (done,) = world.apply()
    assert [type(a) for a in plan.actions] == [ExpressFullBackup]
    assert done.verdict is Verdict.DONE


@pytest.fixture(scope="module")
def two_disks(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """One host with one machine of two disks."""
    yield from new_world(tmp_path_factory, LabDefinition((HostDefinition("hv1", (FIN_SQL01,)),)))


def test_a_lost_tracking_of_one_disk_compares_that_disk_only(
    two_disks: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sampling, "BLOCKS_SAMPLED", 0)  # hashes a few blocks of every disk
    world, vm = two_disks, FIN_SQL01.name
    world.apply()
    world.write(vm)
    world.advance(60)
    shadow = world.shadow("half")
    opened: list[HalfForgetful] = []
    with open_app(world.settings) as app:
        plain = app.open_host

        def open_host(name: HostName) -> HalfForgetful:
            opened.append(HalfForgetful(plain(name), "disk1"))
            return opened[-1]

        monkeypatch.setattr(app, "open_host", open_host)
        reconciler = app.reconciler()
        (result,) = reconciler.carry_out(reconciler.plan())

    assert result.verdict is Verdict.DONE
    hashed = set().union(*(each.hashed for each in opened))
    assert hashed
    assert all("disk1" in path for path in hashed)
    assert world.differing(vm, world.points(vm)[-1], shadow) == []


def test_a_check_that_was_killed_after_its_seal_is_not_made_again(world: World) -> None:
    doubt(world)
    before = len(world.points(VM))
    killed_at(world, Boundary.MANIFEST_SEALED)

    _, results = world.apply()

    assert [r.verdict for r in results] == [Verdict.DONE, Verdict.VOID]
    assert len(world.points(VM)) == before + 1
    assert replica(world).state is ReplicaState.CONSISTENT
    assert world.plan().actions == ()


@pytest.mark.parametrize("kind", [RequestKind.BACKUP, RequestKind.CONSISTENCY_CHECK])
def test_what_a_person_asked_for_is_done_once_and_told(world: World, kind: RequestKind) -> None:
    request = _asked(world, kind)
    before = len(world.points(VM))

    plan, (result,) = world.apply()

    assert result.verdict is Verdict.DONE
    with open_app(world.settings) as app:
        answer = app.catalogue.requests.get(request)
    assert answer.state is RequestState.DONE
    assert answer.result is not None
    assert answer.result["recovery_point"] == world.points(VM)[-1].id
    assert len(world.points(VM)) == before + 1
    assert world.plan().actions == ()
    assert [type(a) for a in plan.actions] == [
        ExpressFullBackup if kind is RequestKind.BACKUP else ConsistencyCheck
    ]


def test_what_was_answered_by_a_process_that_died_is_not_done_again(world: World) -> None:
    request = _asked(world, RequestKind.BACKUP)
    before = len(world.points(VM))
    killed_at(world, Boundary.CATALOGUE_COMMITTED)

    _, results = world.apply()

    assert [r.verdict for r in results] == [Verdict.DONE, Verdict.VOID]
    assert len(world.points(VM)) == before + 1
    with open_app(world.settings) as app:
        assert app.catalogue.requests.get(request).state is RequestState.DONE


def test_what_cannot_be_done_ends_with_the_reason(world: World) -> None:
    request = _asked(world, RequestKind.BACKUP)
    door = world.door(VM)
    door.ask("fault_set", kind="checkpoint-exception", vm=VM)
    try:
        _, (failed,) = world.apply()
    finally:
        door.ask("fault_clear", kind="checkpoint-exception", vm=VM)

    with open_app(world.settings) as app:
        answer = app.catalogue.requests.get(request)
        failures = app.catalogue.jobs.failures()
    assert answer.state is RequestState.FAILED
    assert answer.result is not None
    assert answer.result["message"] == failed.message
    assert [each.retry for each in failures.values()] == ["later"]


def _asked(world: World, kind: RequestKind) -> str:
    with open_app(world.settings) as app:
        (source,) = app.catalogue.sources()
        now = app.reconciler().tools.lease_clock()
        return app.catalogue.requests.open_once(kind.value, source.id, {}, now).id
