"""What hosts, file servers and machines lack to be protected well: each rule, right and wrong."""

from collections.abc import Callable, Mapping
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reconciler.model.machine import (
    ClusterFacts,
    HostReport,
    HostVolume,
    IntegrationService,
    VirtualMachine,
)
from reconciler.model.names import HostName
from reconciler.model.observed import Observed
from reconciler.model.requirements import (
    FileServerLook,
    MachineRequirements,
    Requirements,
    ShareEntry,
)
from reconciler.plan.actions import Finding, Plan, Severity
from reconciler.plan.consistency import VSS_COMPONENT
from reconciler.plan.headroom import headroom
from reconciler.plan.prerequisites import of_hosts, of_members
from reconciler.plan.prerequisites.recovery import (
    RecoveryTarget,
    TargetKind,
    item_level,
    of_recovery,
)
from reconciler.plan.prerequisites.scale import MOST_MACHINES

MakeVm = Callable[..., VirtualMachine]
MakeObserved = Callable[..., Observed]
R2 = 9_600
GOOD = Requirements((1, 2, 3), chimney="Disabled", file_server_agent="Installed")
SMB = r"\\files\vms\a.vhdx"
CSV = HostVolume("C:\\ClusterStorage\\Volume1\\", 1 << 40, 1 << 40, is_cluster_shared=True)
OWN = ShareEntry("vms", "LAB\\HV1$", "Allow", "Full")


def on(machine: VirtualMachine, *paths: str) -> VirtualMachine:
    return replace(machine, disks=tuple(replace(machine.disks[0], path=path) for path in paths))


def with_host(observed: Observed, os_build: int = 20_348, **fields: object) -> Observed:
    """The look, with other facts of hv1."""
    report = observed.inventory.reports[HostName("hv1")]
    facts = replace(report.facts, computer_name="hv1", os_build=os_build)
    fields = {"requirements": GOOD, **fields}
    changed: HostReport = replace(report, facts=facts, **fields)  # type: ignore[arg-type]
    reports = {**observed.inventory.reports, HostName("hv1"): changed}
    return replace(observed, inventory=replace(observed.inventory, reports=reports))


def found(observed: Observed) -> list[Finding]:
    """All but the volumes of which nobody tells what is free: see test_headroom."""
    return [f for f in of_hosts(observed) if f.code != "prerequisite.head_room_unknown"]


def codes(observed: Observed) -> list[str]:
    return [each.code.removeprefix("prerequisite.") for each in found(observed)]


def test_a_host_in_order_lacks_nothing(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    assert codes(with_host(make_observed(make_vm()))) == []


@pytest.mark.parametrize(
    "services",
    [
        (),
        (IntegrationService(VSS_COMPONENT, is_enabled=False, status="Ok"),),
        (IntegrationService(VSS_COMPONENT, is_enabled=True, status="NoContact"),),
    ],
)
def test_the_backup_service_must_be_at_work(
    make_vm: MakeVm, make_observed: MakeObserved, services: tuple[IntegrationService, ...]
) -> None:
    running = make_vm(integration_services=services)

    assert codes(make_observed(running)) == ["integration_services"]
    assert codes(make_observed(replace(running, state="Off"))) == []


@pytest.mark.parametrize(
    ("guest", "host", "build", "expected"),
    [
        ("6.3.1", "6.3.1", R2, []),
        ("6.2.1", "6.3.1", R2, ["integration_version"]),
        ("0.0", "6.3.1", R2, []),
        ("6.2.1", "", R2, []),
        ("6.2.1", "6.3.1", 14_393, []),
    ],
)
def test_before_2016_guests_have_the_version_of_their_host(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    guest: str,
    host: str,
    build: int,
    expected: list[str],
) -> None:
    vm = make_vm()
    asked = replace(GOOD, integration_version=host, machines={vm.id: MachineRequirements(1, guest)})

    assert codes(with_host(make_observed(vm), os_build=build, requirements=asked)) == expected


@pytest.mark.parametrize(
    ("controllers", "build", "expected"),
    [(1, R2, []), (0, R2, ["scsi_controller"]), (0, 14_393, [])],
)
def test_2012_r2_wants_a_scsi_controller(
    make_vm: MakeVm, make_observed: MakeObserved, controllers: int, build: int, expected: list[str]
) -> None:
    vm = make_vm()
    asked = replace(GOOD, machines={vm.id: MachineRequirements(controllers, "")})

    assert codes(with_host(make_observed(vm), os_build=build, requirements=asked)) == expected


@pytest.mark.parametrize(
    ("types", "path", "expected"),
    [
        ((1, 3), f"{CSV.path}a.vhdx", []),
        ((1, 2), f"{CSV.path}a.vhdx", ["hardware_provider"]),
        ((), f"{CSV.path}a.vhdx", ["hardware_provider"]),
        ((1, 2), "C:\\a.vhdx", []),
    ],
)
def test_cluster_volumes_want_a_hardware_provider(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    types: tuple[int, ...],
    path: str,
    expected: list[str],
) -> None:
    observed = make_observed(on(make_vm(), path))
    asked = replace(GOOD, vss_providers=types)

    assert codes(with_host(observed, volumes=(CSV,), requirements=asked)) == expected


def test_bitlocker_on_cluster_volumes_is_said(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    observed = make_observed(make_vm())

    assert codes(with_host(observed, volumes=(replace(CSV, is_encrypted=True),))) == ["bitlocker"]
    assert codes(with_host(observed, volumes=(replace(CSV, is_encrypted=False),))) == []


def look(server: Requirements) -> Mapping[str, FileServerLook]:
    return {"files": FileServerLook(server)}


SERVER = replace(GOOD, share_entries=(OWN,))


@pytest.mark.parametrize(
    ("host", "server", "expected"),
    [
        (GOOD, SERVER, []),
        (replace(GOOD, has_automount=False), SERVER, ["automount"]),
        (replace(GOOD, chimney="Enabled"), SERVER, ["tcp_chimney"]),
        (replace(GOOD, chimney=""), SERVER, []),
        (GOOD, replace(SERVER, file_server_agent="Available"), ["file_server_agent"]),
        (GOOD, replace(SERVER, file_server_agent=""), []),
        (GOOD, replace(SERVER, share_entries=(replace(OWN, right="Read"),)), ["share_access"]),
        (
            GOOD,
            replace(SERVER, share_entries=(OWN, replace(OWN, kind="Deny"))),
            ["share_access"],
        ),
    ],
)
def test_smb_storage_has_what_it_needs_around_it(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    host: Requirements,
    server: Requirements,
    expected: list[str],
) -> None:
    observed = make_observed(on(make_vm(), SMB))
    local = make_observed(make_vm())

    assert codes(with_host(observed, requirements=host, file_servers=look(server))) == expected
    assert codes(with_host(local, requirements=host, file_servers=look(server))) == []


def test_each_node_of_a_cluster_has_access(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    observed = make_observed(on(make_vm(), SMB))
    cluster = ClusterFacts("c", {"hv1": "Up", "hv2": "Up"}, {})

    (missing,) = found(with_host(observed, cluster=cluster, file_servers=look(SERVER)))

    assert "HV2$" in missing.message
    assert missing.severity is Severity.WARNING


def test_access_through_a_group_is_unknown(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    group = replace(SERVER, share_entries=(replace(OWN, account="LAB\\Hosts"),))

    (unsure,) = found(with_host(make_observed(on(make_vm(), SMB)), file_servers=look(group)))

    assert (unsure.code, unsure.severity) == ("prerequisite.share_access", Severity.INFO)


def test_a_file_server_that_was_not_looked_at_is_unknown(
    make_vm: MakeVm, make_observed: MakeObserved
) -> None:
    servers = {"files": FileServerLook(None, "it is reached through SMB only")}

    (unsure,) = found(with_host(make_observed(on(make_vm(), SMB)), file_servers=servers))

    assert (unsure.code, unsure.severity) == ("prerequisite.file_server_unknown", Severity.INFO)
    assert "SMB only" in unsure.message


@pytest.mark.parametrize(
    ("paths", "expected"),
    [
        ((SMB, r"\\files\vms\b.vhdx"), []),
        ((r"C:\vms\a.vhdx", SMB), ["mixed_storage"]),
        ((r"C:\vms\a.vhdx", r"\\?\UNC\files\vms\b.vhdx"), ["mixed_storage"]),
        ((r"C:\vms\a.vhdx", r"\\?\C:\vms\b.vhdx"), []),
        ((r"\\10.0.0.7\vms\a.vhdx",), ["file_server_by_address"]),
        ((r"\\?\UNC\10.0.0.7\vms\a.vhdx",), ["file_server_by_address"]),
        ((r"\\fd00--7.ipv6-literal.net\vms\a.vhdx",), ["file_server_by_address"]),
    ],
)
def test_smb_storage_is_whole_and_named(
    make_vm: MakeVm, make_observed: MakeObserved, paths: tuple[str, ...], expected: list[str]
) -> None:
    observed = with_host(make_observed(on(make_vm(), *paths)), requirements=None)

    assert codes(observed) == expected


def test_more_than_the_guideline_is_told(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    many = [make_vm(f"vm{number}") for number in range(MOST_MACHINES + 1)]

    assert codes(make_observed(*many[:-1])) == []
    assert codes(make_observed(*many)) == ["scale"]


def test_a_plan_tells_only_of_its_members(make_vm: MakeVm, make_observed: MakeObserved) -> None:
    wrong, right = on(make_vm("a"), r"\\10.0.0.7\v\a.vhdx"), make_vm("b")
    observed = make_observed(wrong, right)

    assert [f.about for f in of_members(observed, [wrong.key], headroom(observed))] == ["a"]
    assert list(of_members(observed, [right.key], headroom(observed))) == []


def test_a_plan_tells_of_prerequisites(
    make_vm: MakeVm, make_observed: MakeObserved, plan_of: Callable[..., Plan]
) -> None:
    plan = plan_of(make_observed(on(make_vm(), r"\\10.0.0.7\vms\a.vhdx")))

    assert "prerequisite.file_server_by_address" in {each.code for each in plan.findings}


def recovery(kind: TargetKind, *paths: str) -> list[str]:
    target = RecoveryTarget(kind, "erp", paths)
    return [each.code.removeprefix("prerequisite.") for each in of_recovery(target)]


def test_a_machine_is_not_recovered_to_shares_of_another_computer() -> None:
    assert recovery(TargetKind.ANOTHER_HOST, SMB) == ["recovery_to_share"]
    assert recovery(TargetKind.ANOTHER_HOST, "D:\\a.vhdx") == []
    assert recovery(TargetKind.ORIGINAL, SMB) == []
    assert recovery(TargetKind.FOLDER, SMB) == []


@pytest.mark.parametrize("prefix", ["C:\\", "\\\\?\\C:\\"])
def test_paths_are_shorter_than_260_characters(prefix: str) -> None:
    fits, long = f"{prefix}{'x' * 256}", f"{prefix}{'x' * 257}"

    assert recovery(TargetKind.FOLDER, fits) == []
    assert recovery(TargetKind.FOLDER, fits, long) == ["path_length"]
    assert recovery(TargetKind.ORIGINAL, long) == []
    assert recovery(TargetKind.FOLDER, "/" + "x" * 500) == []


def test_item_level_recovery_wants_its_libraries() -> None:
    assert list(item_level(["pyfsntfs", "pyfsext"])) == []
    (missing,) = item_level(["pyfsntfs"])
    assert "libfsext-python" in missing.hint


PATHS = st.text(max_size=30) | st.sampled_from(["\\\\", "\\\\?\\UNC\\", SMB, "C:\\", ""])


@given(
    st.lists(PATHS, min_size=1, max_size=3),
    st.text(max_size=10),
    st.integers(-(2**31), 2**31 - 1),
    st.lists(st.tuples(st.text(max_size=9), st.text(max_size=9), st.text(max_size=5)), max_size=3),
)
def test_no_observation_is_too_odd(
    make_vm: MakeVm,
    make_observed: MakeObserved,
    paths: list[str],
    text: str,
    number: int,
    entries: list[tuple[str, str, str]],
) -> None:
    vm = on(make_vm(), *paths)
    odd = Requirements(
        (number,),
        has_automount=False,
        chimney=text,
        integration_version=text,
        file_server_agent=text,
        share_entries=tuple(ShareEntry("vms", *entry) for entry in entries),
        machines={vm.id: MachineRequirements(number, text)},
    )
    observed = with_host(
        make_observed(vm), os_build=number, requirements=odd, file_servers=look(odd)
    )

    assert all(each.hint and each.message for each in of_hosts(observed))
    list(of_recovery(RecoveryTarget(TargetKind.FOLDER, text, tuple(paths))))
