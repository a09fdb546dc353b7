"""What is asked of a recovered NTFS volume: every file as the guest had it, and a clean check."""

import shutil
import subprocess
from pathlib import Path

import pytest

from reconciler.blocks.guest.ntfs import PAGE_FILES
from tests.guest_disks import cross_links, extents_by_libfsntfs, hashes_by_libfsntfs


def require_as_the_guest_had_it(recovered: bytes, guest: bytes) -> dict[str, str]:
    """Walk both with libfsntfs; all hashes are equal but those of page files. Returns them."""
    ours, theirs = hashes_by_libfsntfs(recovered), hashes_by_libfsntfs(guest)
    but = {f"\\{name}" for name in PAGE_FILES}
    differing = {path for path in ours.keys() | theirs.keys() if ours.get(path) != theirs.get(path)}
    assert differing <= but, differing
    assert ours.keys() == theirs.keys()
    for name in PAGE_FILES:
        assert extents_by_libfsntfs(recovered, name) == extents_by_libfsntfs(guest, name)
    return ours


def require_clean(recovered: bytes, folder: Path) -> None:
    """No cluster is of two files or free; ntfsfix, which changes nothing here, is content."""
    assert cross_links(recovered) == []
    ntfsfix = shutil.which("ntfsfix") or shutil.which("/usr/sbin/ntfsfix")
    if ntfsfix is None:
        pytest.skip("judge missing: ntfsfix")
    volume = folder / "volume.raw"
    volume.write_bytes(recovered)
    done = subprocess.run([ntfsfix, "-n", volume], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert volume.read_bytes() == recovered
