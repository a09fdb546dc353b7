"""The port HostSession, answered by an agent that a test plays."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import pytest

from reconciler import agent_contract as contract
from reconciler.adapters.hyperv import client, looks
from reconciler.adapters.hyperv.calls import AgentCalls
from reconciler.adapters.hyperv.client import HyperVHost
from reconciler.adapters.hyperv.session import AgentFailure
from reconciler.agent_contract import AgentFunction, pack_ranges
from reconciler.errors import (
    CheckpointFailedError,
    DiskNotSupportedError,
    HostRefusedError,
    ItemNotFoundError,
    MachineBusyError,
    StateChangeFailedError,
    TrackingLostError,
)
from reconciler.model.names import CheckpointId, HostName, ReferencePointId, RequestId, VmId
from reconciler.model.protection import Consistency
from reconciler.model.ranges import ByteRange, merged
from reconciler.ports import HostSession

VM = VmId("c0ffee00-0000-4000-8000-000000000001")
CHECKPOINT = CheckpointId("c4ec0000-0000-4000-8000-000000000001")
OTHER = "c4ec0000-0000-4000-8000-000000000002"
REFERENCE = ReferencePointId("Microsoft:reference/1")
REQUEST = RequestId("4e900000-0000-4000-8000-000000000001")
PATH = r"D:\VMs\erp\disk.avhdx"
GIB = 1 << 30

Answer = dict[str, object]
Play = Callable[[Mapping[str, object]], Sequence[Answer]]


@dataclass
class Agent:
    """An agent whose functions are played by functions of the test."""

    plays: dict[str, Play] = field(default_factory=dict)
    asked: list[tuple[str, dict[str, object]]] = field(default_factory=list)
    is_closed: bool = False

    def call(
        self, function: AgentFunction, arguments: Mapping[str, object], *, deadline_s: float
    ) -> list[Answer]:
        del deadline_s
        self.asked.append((function.name, dict(arguments)))
        return list(self.plays[function.name](arguments))

    def close(self) -> None:
        self.is_closed = True

    def give(self, function: AgentFunction, *answers: Answer) -> None:
        self.plays[function.name] = lambda _: answers

    def fail(self, function: AgentFunction, error_id: str) -> None:
        def play(_: Mapping[str, object]) -> Sequence[Answer]:
            raise AgentFailure(function.name, error_id, "so it is")

        self.plays[function.name] = play

    @property
    def started(self) -> list[tuple[str, dict[str, object]]]:
        return [(name, arguments) for name, arguments in self.asked if name.startswith("Start-")]


def host(version: int = contract.CONTRACT_VERSION) -> Answer:
    return {
        "ComputerName": "WIN-1234",
        "OSBuild": 20_348,
        "AgentVersion": "1.0.0",
        "ContractVersion": version,
        "LastBootUpTime": "2026-11-24T12:00:00Z",
        "ClusterName": "",
    }


def cluster() -> Answer:
    return {
        "Name": "cl1",
        "Nodes": [{"Name": "HV1", "State": "Up"}],
        "Groups": [{"VMId": VM, "OwnerNode": "HV1", "State": "Online"}],
    }


def event(record_id: int) -> Answer:
    return {
        "RecordId": record_id,
        "ProviderName": "EventLog",
        "Id": 6008,
        "TimeCreated": "2026-11-24T12:00:00Z",
        "Node": "HV1",
    }


def machine(name: str, kind: str = "RealizedVirtualMachine") -> Answer:
    return {
        "VMId": VM,
        "Name": name,
        "State": "Running",
        "Generation": 2,
        "Version": "9.0",
        "VirtualMachineType": kind,
        "OperationalStatus": None,
        "IsClustered": False,
        "Notes": "",
        "SnapshotCount": 0,
        "ReplicationMode": "None",
        "ReplicationState": "Disabled",
        "ReplicationHealth": "NotApplicable",
        "LastReplicationTime": None,
        "LastAppliedLogTime": None,
        "GuestOSName": "",
        "Jobs": None,
        "HardDrives": None,
        "IntegrationServices": None,
    }


def checkpoint(checkpoint_id: str = CHECKPOINT) -> Answer:
    return {
        "CheckpointId": checkpoint_id,
        "VMId": VM,
        "ElementName": "reconciler server job",
        "CreationTime": "2026-11-24T12:00:00Z",
        "HardDrives": None,
    }


def reference_point(reference_id: str = REFERENCE) -> Answer:
    return {"ReferencePointId": reference_id, "VMId": VM, "Disks": None}


def operation(state: str = "Completed", **made: object) -> Answer:
    return {
        "RequestId": REQUEST,
        "State": state,
        "PercentComplete": 100,
        "ErrorCode": 0,
        "ErrorDescription": "",
        "CheckpointId": None,
        "ReferencePointId": None,
    } | made


@pytest.fixture
def agent() -> Agent:
    """An agent on which every operation succeeds at once and makes the same two things."""
    made = operation(CheckpointId=CHECKPOINT, ReferencePointId=REFERENCE)
    playing = Agent()
    for function in contract.FUNCTIONS:
        if function.fields == contract.GET_OPERATION.fields:
            playing.give(function, made)
    playing.give(contract.GET_HOST, host())
    playing.give(contract.GET_MACHINE, machine("erp"))
    playing.give(contract.GET_VOLUME)
    playing.give(contract.GET_EVENT)
    playing.give(contract.GET_CHECKPOINT, checkpoint(OTHER), checkpoint())
    playing.give(contract.GET_REFERENCE_POINT, reference_point("other"), reference_point())
    return playing


@pytest.fixture
def session(agent: Agent) -> HostSession:
    return HyperVHost(AgentCalls(HostName("hv1"), agent))


# --- observation


def test_one_look_has_the_host_its_machines_and_what_lies_about(session: HostSession) -> None:
    report = session.report()

    assert report.facts.name == "hv1"
    assert [m.name for m in report.machines] == ["erp"]
    assert [c.id for c in report.checkpoints] == [OTHER, CHECKPOINT]
    assert [r.id for r in report.reference_points] == ["other", REFERENCE]
    assert (report.cluster, report.volumes, report.events) == (None, (), ())


def test_a_look_asks_each_thing_once_and_a_cluster_only_of_a_node(
    agent: Agent, session: HostSession
) -> None:
    session.report()
    alone = [name for name, _ in agent.asked]
    agent.asked.clear()
    agent.give(contract.GET_HOST, host() | {"ClusterName": "cl1"})
    agent.give(contract.GET_CLUSTER, cluster())
    report = session.report()
    of_a_node = [name for name, _ in agent.asked]

    assert len(alone) == len(set(alone)) == 6
    assert sorted(of_a_node) == sorted([*alone, "Get-ReconcilerCluster"])
    assert report.cluster is not None
    assert report.cluster.owners == {VM: "hv1"}


def test_a_node_may_leave_its_cluster_between_two_questions(
    agent: Agent, session: HostSession
) -> None:
    agent.give(contract.GET_HOST, host() | {"ClusterName": "cl1"})
    agent.give(contract.GET_CLUSTER)
    assert session.report().cluster is None


def test_a_node_of_two_clusters_is_refused(agent: Agent, session: HostSession) -> None:
    agent.give(contract.GET_HOST, host() | {"ClusterName": "cl1"})
    agent.give(contract.GET_CLUSTER, cluster(), cluster())
    with pytest.raises(HostRefusedError, match="2 clusters of one node"):
        session.report()


def test_events_are_asked_for_until_there_are_no_more(
    agent: Agent, session: HostSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "EVENTS_AT_ONCE", 2)

    def play(arguments: Mapping[str, object]) -> Sequence[Answer]:
        after = arguments["AfterRecordId"]
        assert isinstance(after, int)
        return [event(record) for record in (10, 11, 12, 20) if record > after][:2]

    agent.plays[contract.GET_EVENT.name] = play
    report = session.report(after_event=10)

    assert [e.record_id for e in report.events] == [11, 12, 20]
    looked = [a for name, a in agent.asked if name == contract.GET_EVENT.name]
    assert [a["AfterRecordId"] for a in looked] == [9, 11, 20]
    assert not report.has_new_log


@pytest.mark.parametrize(
    ("records", "seen", "is_new"),
    [
        ((1, 2), [1, 2], True),
        ((1, 2, 12), [1, 2, 12], True),
        ((12, 13), [12, 13], False),
        ((), [], False),
    ],
)
def test_a_log_that_was_cleared_is_read_from_its_beginning(
    agent: Agent, session: HostSession, records: tuple[int, ...], seen: list[int], *, is_new: bool
) -> None:
    def play(arguments: Mapping[str, object]) -> Sequence[Answer]:
        after = arguments["AfterRecordId"]
        assert isinstance(after, int)
        return [event(record) for record in records if record > after]

    agent.plays[contract.GET_EVENT.name] = play
    report = session.report(after_event=10)

    assert ([e.record_id for e in report.events], report.has_new_log) == (seen, is_new)


def configuration(name: str = "A.vmcx", path: str = "", size: object = 3) -> Answer:
    return {"Name": name, "Path": path or f"C:\\VMs\\Snapshots\\{name}", "FileSize": size}


def test_configuration_files_are_told_with_those_that_are_not_there(
    agent: Agent, session: HostSession
) -> None:
    agent.give(contract.GET_CONFIGURATION_FILE, configuration(), configuration("A.vmgs", size=None))
    told = session.configuration_files(VmId(VM), CheckpointId(CHECKPOINT))
    assert [(f.name, f.size_bytes) for f in told] == [("A.vmcx", 3), ("A.vmgs", None)]


@pytest.mark.parametrize(
    "answers",
    [
        [configuration("..\\A.vmcx")],
        [configuration(".hidden")],
        [configuration("A.vmcx", "C:\\other.txt")],
        [configuration(size=-1)],
        [configuration(), configuration("a.VMCX")],
        [configuration(f"{n}.vmcx") for n in range(65)],
    ],
)
def test_odd_configuration_files_are_refused(
    agent: Agent, session: HostSession, answers: list[Answer]
) -> None:
    agent.give(contract.GET_CONFIGURATION_FILE, *answers)
    with pytest.raises(HostRefusedError):
        session.configuration_files(VmId(VM), CheckpointId(CHECKPOINT))


@pytest.mark.parametrize("records", [[9], [11, 11], [12, 11], [-1]])
def test_events_that_do_not_go_on_are_refused(
    agent: Agent, session: HostSession, records: list[int]
) -> None:
    agent.give(contract.GET_EVENT, *map(event, records))
    with pytest.raises(HostRefusedError, match=r"record -?\d+ after record \d+$"):
        session.report(after_event=10)


def test_a_host_cannot_go_on_with_events_for_ever(
    agent: Agent, session: HostSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(looks, "EVENTS_AT_ONCE", 1)
    monkeypatch.setattr(looks, "MAX_EVENTS", 3)

    def play(arguments: Mapping[str, object]) -> Sequence[Answer]:
        after = arguments["AfterRecordId"]
        assert isinstance(after, int)
        return [event(after + 1)]

    agent.plays[contract.GET_EVENT.name] = play
    with pytest.raises(HostRefusedError, match="more than 3 events"):
        session.report()


@pytest.mark.parametrize("version", [0, contract.CONTRACT_VERSION + 1])
def test_an_agent_of_another_contract_is_refused_with_both_versions(
    agent: Agent, session: HostSession, version: int
) -> None:
    agent.give(contract.GET_HOST, host(version))
    for ask in (session.facts, session.report):
        with pytest.raises(HostRefusedError) as refused:
            ask()
        assert refused.value.message == (
            f"the agent on hv1 speaks contract {version}, "
            f"this reconciler speaks {contract.CONTRACT_VERSION}"
        )
        assert "hv1" in refused.value.hint
    assert {name for name, _ in agent.asked} == {"Get-ReconcilerHost"}


def test_planned_machines_of_a_migration_are_left_out(agent: Agent, session: HostSession) -> None:
    agent.give(contract.GET_MACHINE, machine("erp", "PlannedVirtualMachine"), machine("crm"))
    assert [m.name for m in session.machines()] == ["crm"]


def test_the_host_is_asked_of_some_machines_or_of_all(agent: Agent, session: HostSession) -> None:
    session.checkpoints()
    session.reference_points()
    session.checkpoints((VM,))
    session.reference_points([VM])

    assert [arguments for _, arguments in agent.asked] == [{}, {}, {"VMId": [VM]}, {"VMId": [VM]}]


def test_ending_a_session_ends_what_is_below(agent: Agent, session: HostSession) -> None:
    session.close()
    assert agent.is_closed


# --- operations


@pytest.mark.parametrize(
    ("consistency", "level"),
    [
        (Consistency.APPLICATION, "Application"),
        (Consistency.FILE_SYSTEM, "Application"),
        (Consistency.CRASH, "Crash"),
        (Consistency.OFFLINE, "Crash"),
    ],
)
def test_a_checkpoint_is_asked_for_by_name_level_and_request(
    agent: Agent, session: HostSession, consistency: Consistency, level: str
) -> None:
    found = session.take_checkpoint(VM, consistency, "reconciler server job", REQUEST)

    assert found.id == CHECKPOINT
    assert agent.started == [
        (
            "Start-ReconcilerCheckpoint",
            {
                "RequestId": REQUEST,
                "VMId": VM,
                "ConsistencyLevel": level,
                "ElementName": "reconciler server job",
            },
        )
    ]


@pytest.mark.parametrize(
    ("state", "has_warnings"), [("Completed", False), ("CompletedWithWarnings", True)]
)
def test_a_checkpoint_that_ended_with_warnings_says_so(
    agent: Agent,
    session: HostSession,
    state: str,
    has_warnings: bool,  # noqa: FBT001
) -> None:
    agent.give(contract.GET_OPERATION, operation(state, CheckpointId=CHECKPOINT))
    found = session.take_checkpoint(VM, Consistency.APPLICATION, "reconciler server job", REQUEST)

    assert found.has_warnings is has_warnings


@pytest.mark.parametrize("made", [None, OTHER.replace("2", "3")])
def test_a_checkpoint_that_was_made_and_is_not_there_is_refused(
    agent: Agent, session: HostSession, made: str | None
) -> None:
    agent.give(contract.GET_OPERATION, operation(CheckpointId=made))
    with pytest.raises(HostRefusedError, match=r"Checkpoint .* the new one is missing"):
        session.take_checkpoint(VM, Consistency.CRASH, "name", REQUEST)


def test_a_checkpoint_with_a_disk_that_cannot_be_read_is_told_apart(
    agent: Agent, session: HostSession
) -> None:
    odd = {
        "ControllerType": "SCSI",
        "ControllerNumber": 0,
        "ControllerLocation": 1,
        "Path": "",
        "DiskNumber": None,
        "DiskIdentifier": "",
        "VhdFormat": "VHDX",
        "VhdType": "Dynamic",
        "Size": 0,
        "FileSize": 0,
        "BlockSize": 0,
        "LogicalSectorSize": 512,
        "PhysicalSectorSize": 512,
        "SupportPersistentReservations": False,
    }
    agent.give(contract.GET_CHECKPOINT, checkpoint() | {"HardDrives": [odd]})
    with pytest.raises(DiskNotSupportedError) as refused:
        session.take_checkpoint(VM, Consistency.CRASH, "name", REQUEST)
    assert "the disk at SCSI 0:1 has no virtual disk id" in refused.value.message
    assert len(session.checkpoints()) == 1


def test_a_checkpoint_becomes_a_reference_point(agent: Agent, session: HostSession) -> None:
    assert session.convert_to_reference_point(VM, CHECKPOINT, REQUEST).id == REFERENCE
    arguments = {"RequestId": REQUEST, "VMId": VM, "CheckpointId": CHECKPOINT}
    assert agent.started == [("Start-ReconcilerConversion", arguments)]


def test_a_reference_point_that_was_made_and_is_not_there_is_refused(
    agent: Agent, session: HostSession
) -> None:
    agent.give(contract.GET_REFERENCE_POINT, reference_point("other"))
    with pytest.raises(HostRefusedError, match=r"ReferencePoint .* the new one is missing"):
        session.convert_to_reference_point(VM, CHECKPOINT, REQUEST)


def test_an_earlier_conversion_is_found_by_its_request(agent: Agent, session: HostSession) -> None:
    found = session.converted(VM, REQUEST)

    assert found is not None
    assert found.id == REFERENCE
    assert agent.asked[0][1]["RequestId"] == REQUEST
    assert agent.started == []


@pytest.mark.parametrize("state", ["Exception", "Terminated", "Killed"])
def test_an_earlier_conversion_that_failed_made_nothing(
    agent: Agent, session: HostSession, state: str
) -> None:
    agent.give(contract.GET_OPERATION, operation(state, ReferencePointId=REFERENCE))
    assert session.converted(VM, REQUEST) is None


def test_an_earlier_conversion_that_the_host_forgot_made_nothing_we_know(
    agent: Agent, session: HostSession
) -> None:
    agent.fail(contract.GET_OPERATION, "OperationNotFound")
    assert session.converted(VM, REQUEST) is None


def test_what_an_earlier_conversion_made_may_be_gone(agent: Agent, session: HostSession) -> None:
    agent.give(contract.GET_REFERENCE_POINT)
    assert session.converted(VM, REQUEST) is None


@pytest.mark.parametrize("state", ["Completed", "Exception"])
def test_the_end_of_an_operation_is_waited_for_whatever_it_is(
    agent: Agent, session: HostSession, state: str
) -> None:
    answers = iter(("Running", state))
    agent.plays[contract.GET_OPERATION.name] = lambda _: [operation(next(answers))]

    assert session.await_operation(REQUEST)
    assert next(answers, None) is None
    assert agent.started == []


def test_an_operation_that_the_host_does_not_know_is_not_waited_for(
    agent: Agent, session: HostSession
) -> None:
    agent.fail(contract.GET_OPERATION, "OperationNotFound")
    assert not session.await_operation(REQUEST)


def save(session: HostSession) -> None:
    session.save_machine(VM, REQUEST)


def resume(session: HostSession) -> None:
    session.resume_machine(VM, REQUEST)


@pytest.mark.parametrize(("change", "state"), [(save, "Saved"), (resume, "Running")])
def test_a_change_of_state_names_its_target(
    agent: Agent, session: HostSession, change: Callable[[HostSession], None], state: str
) -> None:
    change(session)
    wanted = {"RequestId": REQUEST, "VMId": VM, "TargetState": state}
    assert agent.started == [("Start-ReconcilerStateChange", wanted)]


@pytest.mark.parametrize("change", [save, resume])
def test_a_state_that_cannot_be_reached_is_no_failed_checkpoint(
    agent: Agent, session: HostSession, change: Callable[[HostSession], None]
) -> None:
    agent.give(contract.GET_OPERATION, operation("Exception"))
    with pytest.raises(StateChangeFailedError, match="StateChange on hv1 ended as Exception"):
        change(session)
    agent.fail(contract.START_STATE_CHANGE, "MachineBusy")
    with pytest.raises(MachineBusyError):
        change(session)
    agent.fail(contract.START_STATE_CHANGE, "VMNotFound")
    with pytest.raises(ItemNotFoundError):
        change(session)


def remove_checkpoint(session: HostSession) -> None:
    session.remove_checkpoint(VM, CHECKPOINT, REQUEST)


def remove_reference_point(session: HostSession) -> None:
    session.remove_reference_point(VM, REFERENCE, REQUEST)


REMOVALS = [
    (remove_checkpoint, contract.START_CHECKPOINT_REMOVAL, {"CheckpointId": CHECKPOINT}),
    (
        remove_reference_point,
        contract.START_REFERENCE_POINT_REMOVAL,
        {"ReferencePointId": REFERENCE},
    ),
]


@pytest.mark.parametrize(("remove", "function", "what"), REMOVALS)
def test_a_removal_names_its_request_machine_and_thing(
    agent: Agent,
    session: HostSession,
    remove: Callable[[HostSession], None],
    function: AgentFunction,
    what: dict[str, object],
) -> None:
    remove(session)
    assert agent.started == [(function.name, {"RequestId": REQUEST, "VMId": VM} | what)]


@pytest.mark.parametrize(("remove", "function", "_what"), REMOVALS)
@pytest.mark.parametrize("error_id", ["VMNotFound", "CheckpointNotFound", "ReferencePointNotFound"])
def test_what_is_gone_already_is_removed(
    agent: Agent,
    session: HostSession,
    remove: Callable[[HostSession], None],
    function: AgentFunction,
    _what: object,
    *,
    error_id: str,
) -> None:
    agent.fail(function, error_id)
    remove(session)
    assert [name for name, _ in agent.asked] == [function.name]


@pytest.mark.parametrize(("remove", "function", "_what"), REMOVALS)
def test_what_cannot_be_removed_is_an_error(
    agent: Agent,
    session: HostSession,
    remove: Callable[[HostSession], None],
    function: AgentFunction,
    _what: object,
) -> None:
    agent.give(contract.GET_OPERATION, operation("Exception"))
    with pytest.raises(CheckpointFailedError, match=function.name):
        remove(session)
    agent.fail(function, "MachineBusy")
    with pytest.raises(MachineBusyError):
        remove(session)


# --- changed ranges


def changes(processed: int, *ranges: ByteRange) -> Answer:
    return {"ProcessedLength": processed, "Extents": pack_ranges(ranges)}


def test_changes_are_looked_for_in_bounded_pieces_to_the_end_of_the_disk(
    agent: Agent, session: HostSession
) -> None:
    def play(arguments: Mapping[str, object]) -> Sequence[Answer]:
        offset, length = arguments["Offset"], arguments["Length"]
        assert isinstance(offset, int)
        assert isinstance(length, int)
        return [changes(min(length, 48 * GIB), ByteRange(offset, offset + 10))]

    agent.plays[contract.GET_DISK_CHANGE.name] = play
    found = session.changed_ranges(PATH, "rct:1", 130 * GIB)

    looks = [(a["Offset"], a["Length"]) for _, a in agent.asked]
    assert looks == [(0, 64 * GIB), (48 * GIB, 64 * GIB), (96 * GIB, 34 * GIB)]
    assert {(a["Path"], a["LimitId"]) for _, a in agent.asked} == {(PATH, "rct:1")}
    assert found == tuple(ByteRange(at * GIB, at * GIB + 10) for at in (0, 48, 96))


def test_changes_come_unsorted_overlapping_and_too_long_and_leave_merged_and_clipped(
    agent: Agent, session: HostSession
) -> None:
    raw = [ByteRange(900, 5000), ByteRange(30, 60), ByteRange(10, 40), ByteRange(60, 70)]
    agent.give(
        contract.GET_DISK_CHANGE, changes(1000, *raw, ByteRange(2000, 3000), ByteRange(30, 60))
    )

    assert session.changed_ranges(PATH, "rct:1", 1000) == (ByteRange(10, 70), ByteRange(900, 1000))


def test_a_disk_on_which_nothing_changed_has_no_ranges(agent: Agent, session: HostSession) -> None:
    agent.give(contract.GET_DISK_CHANGE, changes(1000))
    assert session.changed_ranges(PATH, "rct:1", 1000) == ()


@pytest.mark.parametrize(
    ("answer", "what"),
    [
        (changes(0), "ProcessedLength 0 in piece 1"),
        (changes(-1), "ProcessedLength -1 in piece 1"),
        ({"ProcessedLength": 1000, "Extents": bytes(17)}, "17 bytes are not whole pairs of 16"),
        (
            {"ProcessedLength": 1000, "Extents": b"\xff" * 16},
            "a range ends beyond 2^63",
        ),
        (
            {"ProcessedLength": 1000, "Extents": bytes(16 * (contract.MAX_EXTENTS + 1))},
            "more than 16384 extents in one piece",
        ),
        ({"ProcessedLength": "1000", "Extents": b""}, "ProcessedLength is no long"),
        ({"ProcessedLength": 1000}, "Extents is missing"),
        ({"ProcessedLength": 1000, "Extents": [1, 2]}, "Extents is no byte[]"),
    ],
)
def test_changes_that_make_no_sense_are_refused(
    agent: Agent, session: HostSession, answer: Answer, what: str
) -> None:
    agent.give(contract.GET_DISK_CHANGE, answer)
    with pytest.raises(HostRefusedError) as refused:
        session.changed_ranges(PATH, "rct:1", 1000)
    assert refused.value.message.endswith(f"does not allow: {what}")
    assert len(agent.asked) == 1


def test_a_piece_that_reaches_farther_than_was_asked_is_refused(
    agent: Agent, session: HostSession
) -> None:
    agent.give(contract.GET_DISK_CHANGE, changes(200 * GIB))
    with pytest.raises(HostRefusedError):
        session.changed_ranges(PATH, "rct:1", 200 * GIB)


def test_a_host_may_look_only_one_byte_far_but_not_for_ever(
    agent: Agent, session: HostSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_PIECES", 4)
    agent.give(contract.GET_DISK_CHANGE, changes(1, ByteRange(0, 2)))

    assert session.changed_ranges(PATH, "rct:1", 4) == (ByteRange(0, 2),)
    with pytest.raises(HostRefusedError, match="ProcessedLength 1 in piece 5"):
        session.changed_ranges(PATH, "rct:1", 5)


def test_as_many_extents_as_are_allowed_are_taken(agent: Agent, session: HostSession) -> None:
    ranges = [ByteRange(2 * n, 2 * n + 1) for n in range(contract.MAX_EXTENTS)]
    agent.give(contract.GET_DISK_CHANGE, changes(40_000, *ranges))
    assert session.changed_ranges(PATH, "rct:1", 40_000) == tuple(ranges)


def test_extents_are_merged_on_the_way_when_there_are_very_many(
    agent: Agent, session: HostSession, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "MAX_CHANGES", 3)
    monkeypatch.setattr(client, "CHANGES_PIECE_BYTES", 10)
    merges: list[int] = []

    def counting(ranges: Sequence[ByteRange]) -> tuple[ByteRange, ...]:
        merges.append(1)
        return merged(ranges)

    monkeypatch.setattr(client, "merged", counting)
    agent.give(contract.GET_DISK_CHANGE, changes(10, ByteRange(0, 5), ByteRange(4, 9)))

    assert session.changed_ranges(PATH, "rct:1", 40) == (ByteRange(0, 9),)
    assert len(agent.asked) == 4
    assert len(merges) == 3


def test_lost_tracking_is_told_apart_from_every_other_failure(
    agent: Agent, session: HostSession
) -> None:
    agent.fail(contract.GET_DISK_CHANGE, "TrackingUnknown")
    with pytest.raises(TrackingLostError):
        session.changed_ranges(PATH, "rct:1", 1000)


# --- disk bytes


def test_opening_a_disk_reads_nothing(agent: Agent, session: HostSession) -> None:
    file = session.open(PATH)
    assert agent.asked == []

    agent.give(contract.READ_FILE, {"FileSize": 9, "Data": b"x"})
    assert file.size == 9
    assert agent.asked[0][1]["Path"] == PATH
