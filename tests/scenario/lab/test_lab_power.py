"""Hosts that go down and come up, by their own logs."""

from pathlib import Path

import pytest

from reconciler import agent_contract as contract
from reconciler.errors import SettingsError
from reconciler.lab import power
from reconciler.lab.book import HostBook
from reconciler.lab.clock import LabClock
from reconciler.lab.definition import FIN_SQL01
from reconciler.lab.host import LabHost
from tests.lab_calls import call, changed_since, event_ids, machines, reference_point


def boot_time(lab: Path) -> str:
    with LabHost(lab, "hv1") as host:
        (shown,) = call(host, contract.GET_HOST)
        return str(shown["LastBootUpTime"])


def test_a_host_whose_process_was_only_started_again_has_not_booted(lab: Path) -> None:
    assert boot_time(lab) == boot_time(lab)


def test_a_host_that_was_lost_boots_and_says_that_it_was_cut_off(lab: Path) -> None:
    before = boot_time(lab)
    power.note_loss(lab / "hv1")

    with LabHost(lab, "hv1") as host:
        assert event_ids(host) == [(41, "HV1"), (6008, "HV1")]
        assert machines(host)["fin-sql01"]["State"] == "Running"
    assert boot_time(lab) > before


def test_a_host_that_was_restarted_says_so_and_is_not_cut_off(lab: Path) -> None:
    before = boot_time(lab)
    with LabHost(lab, "hv1") as host:
        host.shut_down()
        host.shut_down()

    with LabHost(lab, "hv1") as host:
        assert event_ids(host) == [(1074, "HV1"), (6006, "HV1")]
        host.guest_write("fin-sql01", 4096)
    assert boot_time(lab) > before


def test_change_tracking_survives_the_loss_of_a_host(lab: Path) -> None:
    with LabHost(lab, "hv1") as host:
        point = reference_point(host, FIN_SQL01.vm_id)
        host.guest_write("fin-sql01", 300_000)
    power.note_loss(lab / "hv1")

    with LabHost(lab, "hv1") as host:
        assert changed_since(host, point)


def test_a_host_that_runs_is_not_marked_as_lost(lab: Path, hv1: LabHost) -> None:
    with pytest.raises(SettingsError, match="another process"):
        power.note_loss(lab / "hv1")

    assert event_ids(hv1) == []


def test_events_are_told_oldest_first_in_pieces_and_only_later_ones(lab: Path) -> None:
    for _ in range(3):
        power.note_loss(lab / "hv1")
        LabHost(lab, "hv1").close()
    with LabHost(lab, "hv1") as host:
        first = call(host, contract.GET_EVENT, AfterRecordId=0, MaxEvents=4)
        last = first[-1]["RecordId"]
        rest = call(host, contract.GET_EVENT, AfterRecordId=last, MaxEvents=4)

    assert [event["Id"] for event in first + rest] == [41, 6008] * 3
    ids = [event["RecordId"] for event in first + rest]
    assert ids == sorted(set(ids))
    assert (len(first), len(rest)) == (4, 2)
    assert first[0]["ProviderName"] == "Microsoft-Windows-Kernel-Power"


def test_record_ids_grow_when_old_events_are_dropped(
    lab: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(power, "KEPT_EVENTS", 3)
    book = HostBook(lab / "hv1", LabClock(lab))
    for _ in range(5):
        power.note_event(book, power.NO_CLEAN_STOP)

    assert [event.record_id for event in book.state.events] == [3, 4, 5]


def test_the_time_of_an_event_is_that_of_the_lab(lab: Path) -> None:
    LabClock(lab).advance(86_400)
    power.note_loss(lab / "hv1")

    with LabHost(lab, "hv1") as host:
        (event, _) = call(host, contract.GET_EVENT, AfterRecordId=0, MaxEvents=10)
    assert event["TimeCreated"] <= LabClock(lab)().isoformat()
    LabClock(lab).advance(-43_200)
    assert event["TimeCreated"] > LabClock(lab)().isoformat()
