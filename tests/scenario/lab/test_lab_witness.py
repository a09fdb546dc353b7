"""Shadows of checkpoints."""

from pathlib import Path

from reconciler.lab import witness
from reconciler.lab.create import create_lab
from reconciler.lab.definition import HostDefinition, LabDefinition
from reconciler.lab.full_lab import ERP_01
from reconciler.lab.host import LabHost


def test_a_checkpoint_leaves_its_shadows_as_of_its_instant(tmp_path: Path) -> None:
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (ERP_01,)),)))
    kept = witness.begin(tmp_path)
    with LabHost(tmp_path, "hv1") as host:
        before = host.copy_shadows(tmp_path / "before")
        host.foreign_checkpoint("erp-01")
        host.guest_write("erp-01", 100_000)
        after = host.copy_shadows(tmp_path / "after")

    (folder,) = kept.iterdir()
    (raw,) = folder.iterdir()
    assert raw.name == before[0].name
    assert raw.read_bytes() == before[0].read_bytes() != after[0].read_bytes()


def test_nothing_is_kept_unless_somebody_asked(tmp_path: Path) -> None:
    create_lab(tmp_path, LabDefinition((HostDefinition("hv1", (ERP_01,)),)))
    witness.begin(tmp_path)
    witness.end(tmp_path)
    with LabHost(tmp_path, "hv1") as host:
        host.foreign_checkpoint("erp-01")

    assert not (tmp_path / witness.FOLDER).exists()
