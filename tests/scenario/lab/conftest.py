"""A lab of two hosts, made once and copied for each test that changes it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.lab.create import create_lab
from reconciler.lab.files import copy_sparse
from reconciler.lab.host import LabHost


@pytest.fixture(scope="session")
def pristine_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    create_lab(folder)
    return folder


@pytest.fixture
def lab(pristine_lab: Path, tmp_path: Path) -> Path:
    """A lab of the test's own."""
    for source in pristine_lab.rglob("*"):
        target = tmp_path / "lab" / source.relative_to(pristine_lab)
        if source.is_dir():
            target.mkdir(parents=True, exist_ok=True)
        else:
            target.parent.mkdir(parents=True, exist_ok=True)
            copy_sparse(source, target)
    return tmp_path / "lab"


@pytest.fixture
def hv1(lab: Path) -> Iterator[LabHost]:
    with LabHost(lab, "hv1") as host:
        yield host
