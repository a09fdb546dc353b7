"""Labs of two hosts and of two nodes, made once and copied for each test that changes one."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.lab.create import create_lab
from reconciler.lab.full_lab import CLUSTER_LAB
from reconciler.lab.host import LabHost
from tests.lab_calls import copy_lab


@pytest.fixture(scope="session")
def pristine_lab(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lab")
    create_lab(folder)
    return folder


@pytest.fixture
def lab(pristine_lab: Path, tmp_path: Path) -> Path:
    """A lab of the test's own."""
    return copy_lab(pristine_lab, tmp_path / "lab")


@pytest.fixture(scope="session")
def pristine_cluster(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("cluster")
    create_lab(folder, CLUSTER_LAB)
    return folder


@pytest.fixture
def cluster(pristine_cluster: Path, tmp_path: Path) -> Path:
    """A lab of two nodes, hvc1 and hvc2, of the test's own."""
    return copy_lab(pristine_cluster, tmp_path / "cluster")


@pytest.fixture
def hv1(lab: Path) -> Iterator[LabHost]:
    with LabHost(lab, "hv1") as host:
        yield host
