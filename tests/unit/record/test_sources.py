from collections.abc import Callable
from contextlib import AbstractContextManager

import pytest

from reconciler.errors import CatalogueError, ItemNotFoundError
from reconciler.model.machine import ControllerSlot, NaturalKey, Role
from reconciler.model.names import DataSourceId, DiskId, GroupName, HostName, VmId
from reconciler.model.protection import DataSource
from reconciler.record.catalogue import Catalogue
from reconciler.record.disk_matching import SeenDisk
from reconciler.record.entries import KnownDisk

HV1, HV2, FINANCE = HostName("hv1"), HostName("hv2"), GroupName("finance")


def key(digit: str, role: Role = Role.PRIMARY) -> NaturalKey:
    return NaturalKey(VmId(f"{digit * 8}-1111-1111-1111-111111111111"), role)


def slot(location: int) -> ControllerSlot:
    return ControllerSlot("SCSI", 0, location)


def test_a_machine_keeps_its_id_when_its_names_change(catalogue: Catalogue) -> None:
    first = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    same = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    renamed = catalogue.ensure_source(key("1"), "erp-old", HV2, GroupName("archive"))

    assert same == first
    assert renamed.id == first.id
    assert catalogue.sources() == (renamed,)


def test_a_replica_machine_is_another_source_than_its_primary(catalogue: Catalogue) -> None:
    primary = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    replica = catalogue.ensure_source(key("1", Role.REPLICA), "erp", HV2, FINANCE)

    assert primary.id != replica.id


def test_a_source_is_found_by_what_an_operator_types(catalogue: Catalogue) -> None:
    erp = catalogue.ensure_source(key("1"), "ERP", HV1, FINANCE)
    catalogue.ensure_source(key("2"), "crm", HV1, FINANCE)

    for text in ("ERP", "erp", erp.id, erp.key.vm_id, str(erp.key)):
        assert catalogue.source_by_name(text) == erp


def test_an_unknown_or_ambiguous_name_is_explained(catalogue: Catalogue) -> None:
    one = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    two = catalogue.ensure_source(key("2"), "erp", HV2, FINANCE)

    with pytest.raises(ItemNotFoundError, match="nothing protected is called crm"):
        catalogue.source_by_name("crm")
    with pytest.raises(ItemNotFoundError, match="2 data sources") as caught:
        catalogue.source_by_name("erp")
    assert one.id in caught.value.hint
    assert two.id in caught.value.hint


def test_of_two_spellings_the_exact_one_is_meant(catalogue: Catalogue) -> None:
    catalogue.ensure_source(key("1"), "ERP", HV1, FINANCE)
    lower = catalogue.ensure_source(key("2"), "erp", HV1, FINANCE)

    assert catalogue.source_by_name("erp") == lower


def test_a_source_is_adopted_with_the_id_it_had(catalogue: Catalogue) -> None:
    old = DataSource(DataSourceId("old-id"), key("1"), "erp", HV1, FINANCE)

    assert catalogue.adopt_source(old) == old
    assert catalogue.adopt_source(old) == old
    assert catalogue.ensure_source(key("1"), "erp", HV1, FINANCE) == old


def test_a_source_is_not_adopted_over_another(catalogue: Catalogue) -> None:
    ours = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    same_key = DataSource(DataSourceId("old-id"), key("1"), "erp", HV1, FINANCE)
    same_id = DataSource(ours.id, key("2"), "erp", HV1, FINANCE)

    for other in (same_key, same_id):
        with pytest.raises(CatalogueError, match="another one in the catalogue"):
            catalogue.adopt_source(other)
    assert catalogue.sources() == (ours,)


def test_disks_keep_their_ids_through_swapped_slots(
    catalogue: Catalogue, source: DataSource
) -> None:
    before = catalogue.ensure_disks(source.id, [SeenDisk("A", slot(0)), SeenDisk("B", slot(1))])
    after = catalogue.ensure_disks(source.id, [SeenDisk("A", slot(1)), SeenDisk("B", slot(0))])

    assert after == {slot(1): before[slot(0)], slot(0): before[slot(1)]}
    assert len(catalogue.disks(source.id)) == 2


def test_a_disk_that_came_back_after_its_slot_was_taken_is_known_by_its_id(
    catalogue: Catalogue, source: DataSource
) -> None:
    two = catalogue.ensure_disks(source.id, [SeenDisk("A", slot(0)), SeenDisk("B", slot(1))])
    catalogue.ensure_disks(source.id, [SeenDisk("A", slot(1))])
    assert KnownDisk(two[slot(1)], "B", None) in catalogue.disks(source.id)

    back = catalogue.ensure_disks(source.id, [SeenDisk("A", slot(1)), SeenDisk("B", slot(0))])

    assert back == {slot(1): two[slot(0)], slot(0): two[slot(1)]}


def test_disks_of_two_machines_never_meet(catalogue: Catalogue, source: DataSource) -> None:
    other = catalogue.ensure_source(key("9"), "clone", HV1, FINANCE)
    mine = catalogue.ensure_disks(source.id, [SeenDisk("A", slot(0))])
    theirs = catalogue.ensure_disks(other.id, [SeenDisk("A", slot(0))])

    assert mine[slot(0)] != theirs[slot(0)]


def test_adopted_disks_keep_the_ids_they_had(catalogue: Catalogue, source: DataSource) -> None:
    known = KnownDisk(DiskId("old"), "A", slot(0))
    catalogue.adopt_disks(source.id, [known])
    catalogue.adopt_disks(source.id, [KnownDisk(DiskId("old"), "changed", slot(7))])

    assert catalogue.disks(source.id) == (known,)
    assert catalogue.ensure_disks(source.id, [SeenDisk("a", slot(3))]) == {slot(3): "old"}


def test_names_and_hosts_follow_what_is_seen(catalogue: Catalogue) -> None:
    erp = catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)
    crm = catalogue.ensure_source(key("2"), "crm", HV1, FINANCE)
    catalogue.see({key("1"): ("erp-new", HV2), key("9"): ("unheard of", HV1)})

    moved = DataSource(erp.id, erp.key, "erp-new", HV2, FINANCE)
    assert set(catalogue.sources()) == {moved, crm}


def test_nothing_is_written_when_all_is_seen_where_it_was(
    catalogue: Catalogue, locked: Callable[[], AbstractContextManager[None]]
) -> None:
    catalogue.ensure_source(key("1"), "erp", HV1, FINANCE)

    with locked():
        catalogue.see({key("1"): ("erp", HV1), key("9"): ("unheard of", HV1)})
        catalogue.see({})
