"""Servers that volumes are kept on, as real as can be had on one computer, and places on them."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from reconciler.lab.samba import StorageSamba, is_installed
from tests import azurite as emulator
from tests import ceph_cluster

SMB_LOGIN = (r"LAB\reconciler", "a password of the lab")


@pytest.fixture(scope="session")
def azure_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not emulator.azurite_program():
        pytest.skip("Azurite is not installed")
    with emulator.azurite(tmp_path_factory.mktemp("azurite")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def s3_endpoint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    if not ceph_cluster.is_installed():
        pytest.skip("Ceph's object gateway is not installed")
    with ceph_cluster.ceph(tmp_path_factory.mktemp("ceph")) as endpoint:
        yield endpoint


@pytest.fixture(scope="session")
def smb_share(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, Path]]:
    """The port of a Samba, and the folder of its share `backup`."""
    if not is_installed():
        pytest.skip("Samba is not installed")
    folder = tmp_path_factory.mktemp("files")
    (folder / "backup").mkdir()
    server = StorageSamba(folder, "127.0.0.1", 0, ("reconciler", SMB_LOGIN[1]))
    yield server.port, folder / "backup"
    server.close()


Declared = Callable[[str], dict[str, Any]]


class Places:
    """New and empty places, as a volume of a policy says them; secrets are files in a folder."""

    def __init__(self, request: pytest.FixtureRequest, folder: Path) -> None:
        self._request = request
        self._folder = folder

    def folder(self) -> dict[str, Any]:
        return {"path": str(self._folder / "volume")}

    def smb(self) -> dict[str, Any]:
        port, _ = self._request.getfixturevalue("smb_share")
        login = {"user": SMB_LOGIN[0], "password": self._secret("password", SMB_LOGIN[1])}
        place = {"server": "127.0.0.1", "port": port, "share": "backup", "folder": uuid4().hex}
        return {"smb": place | login}

    def azure(self) -> dict[str, Any]:
        return self._azure({"key": self._secret("key", emulator.AZURE_KEY)})

    def azure_sas(self) -> dict[str, Any]:
        place = self._azure({})
        signature = emulator.container_signature(place["azure"]["container"])
        place["azure"]["sas"] = self._secret("signature", signature)
        return place

    def s3(self) -> dict[str, Any]:
        endpoint = self._request.getfixturevalue("s3_endpoint")
        login = {
            "access_key": self._secret("access", ceph_cluster.S3_LOGIN[0]),
            "secret_key": self._secret("secret", ceph_cluster.S3_LOGIN[1]),
        }
        place = {"bucket": ceph_cluster.new_bucket(endpoint), "prefix": "pool/main"}
        service = {"region": ceph_cluster.S3_REGION, "endpoint": endpoint}
        return {"s3": place | service | login}

    def _azure(self, login: dict[str, str]) -> dict[str, Any]:
        endpoint = self._request.getfixturevalue("azure_endpoint")
        container = emulator.new_container(endpoint)
        place = {"account": emulator.AZURE_ACCOUNT, "container": container, "prefix": "pool/main"}
        return {"azure": place | {"endpoint": endpoint} | login}

    def _secret(self, name: str, value: str) -> str:
        (self._folder / name).write_text(value, encoding="utf-8")
        return f"file:{self._folder / name}"


@pytest.fixture
def declared(request: pytest.FixtureRequest, tmp_path: Path) -> Declared:
    """Makes a place of a kind: folder, smb, azure, azure-sas or s3."""
    places = Places(request, tmp_path)

    def make(kind: str) -> dict[str, Any]:
        made: dict[str, Any] = getattr(places, kind.replace("-", "_"))()
        return made

    return make
