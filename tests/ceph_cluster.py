"""The object gateway of a Ceph cluster of one computer, whose only disk is in memory."""

import contextlib
import shutil
import subprocess
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from uuid import uuid4

from tests.server_processes import START_S, Process, ask, await_answer, free_port

S3_LOGIN = ("LABACCESSKEY", "a secret of the lab")
S3_REGION = "default"
TRIES = 5
CEPH = ("ceph", "ceph-mon", "ceph-osd", "monmaptool", "radosgw", "radosgw-admin")
CEPH_CONFIGURATION = """\
[global]
fsid = {cluster}
mon host = v1:127.0.0.1:{port}
mon initial members = a
auth cluster required = none
auth service required = none
auth client required = none
ms bind ipv6 = false
public addr = 127.0.0.1
osd pool default size = 1
osd pool default min size = 1
osd pool default pg num = 4
osd pool default pgp num = 4
osd pool default pg autoscale mode = off
osd crush chooseleaf type = 0
osd class update on start = false
osd crush update on start = false
osd objectstore = memstore
memstore device bytes = 4294967296
mon allow pool size one = true
mon max pg per osd = 1000
mon data avail crit = 1
paxos propose interval = 0.05
admin socket =
pid file =
keyring =
run dir = {folder}
crash dir = {folder}
log file = {folder}/$name.log
[mon.a]
mon data = {folder}/mon
[osd.0]
osd data = {folder}/osd
[client.rgw]
rgw frontends = beast endpoint=127.0.0.1:{gateway} tcp_nodelay=1
rgw data = {folder}/rgw
"""


class Cluster:
    """A monitor, a disk and a gateway."""

    def __init__(self, folder: Path) -> None:
        for name in ("mon", "osd", "rgw"):
            (folder / name).mkdir(parents=True)
        self.endpoint = ""
        self._folder = folder
        self._id = str(uuid4())
        self._port, self._gateway = free_port(), free_port()
        configuration = CEPH_CONFIGURATION.format(
            cluster=self._id, port=self._port, gateway=self._gateway, folder=folder
        )
        (folder / "ceph.conf").write_text(configuration)
        self._running: list[Process] = []

    def start(self) -> None:
        disk = str(uuid4())
        where = f"v1:127.0.0.1:{self._port}"
        subprocess.run(
            [found("monmaptool"), "--create", "--addv", "a", where, "--fsid", self._id, self._map],
            check=True,
            capture_output=True,
        )
        self._do("ceph-mon", "--mkfs", "-i", "a", "--monmap", self._map)
        self._run("ceph-mon", "-i", "a")
        self._do("ceph", "osd", "new", disk)
        self._do("ceph", "osd", "crush", "add", "osd.0", "1.0", "root=default", "host=lab")
        self._do("ceph-osd", "-i", "0", "--mkfs", "--osd-uuid", disk)
        self._run("ceph-osd", "-i", "0")
        log = self._run("radosgw", "-n", "client.rgw")
        endpoint = f"http://127.0.0.1:{self._gateway}"
        await_answer(endpoint, log)
        keys = ("--access-key", S3_LOGIN[0], "--secret", S3_LOGIN[1])
        self._do("radosgw-admin", "user", "create", "--uid", "lab", "--display-name", "lab", *keys)
        self.endpoint = endpoint

    def close(self) -> None:
        while self._running:
            self._running.pop().close()

    @property
    def _map(self) -> str:
        return str(self._folder / "map")

    def _run(self, program: str, *arguments: str) -> Path:
        log = self._folder / f"{program}.out"
        one = ("-c", self._folder / "ceph.conf")
        self._running.append(Process(found(program), *one, *arguments, "-f", log=log))
        return log

    def _do(self, program: str, *arguments: str) -> None:
        """Do one thing to the cluster. A young monitor refuses who knows too little of it yet."""
        command = [found(program), "-c", str(self._folder / "ceph.conf"), *arguments]
        for left in reversed(range(TRIES)):
            answer = subprocess.run(command, capture_output=True, timeout=START_S, check=False)
            if not answer.returncode:
                return
            assert left, f"{program}: {answer.stderr.decode(errors='replace')[-2000:]}"


@contextlib.contextmanager
def ceph(folder: Path) -> Iterator[str]:
    """The address of a gateway; the whole cluster is begun anew if it does not come up."""
    for left in reversed(range(TRIES)):
        cluster = Cluster(folder / str(left))
        try:
            cluster.start()
            yield cluster.endpoint
        except AssertionError:
            if cluster.endpoint or not left:
                raise
        else:
            return
        finally:
            cluster.close()


def new_bucket(endpoint: str) -> str:
    import obstore  # noqa: PLC0415 (few tests need it)
    from obstore.store import S3Store  # noqa: PLC0415 (as above)

    name = f"b{uuid4().hex}"
    store = S3Store(
        name,
        endpoint=endpoint,
        region=S3_REGION,
        access_key_id=S3_LOGIN[0],
        secret_access_key=S3_LOGIN[1],
        client_options={"allow_http": True},
    )
    ask("PUT", obstore.sign(store, "PUT", "", timedelta(minutes=5)), {})
    return name


def is_installed() -> bool:
    return all(shutil.which(found(program)) for program in CEPH)


def found(program: str) -> str:
    return shutil.which(program) or f"/usr/sbin/{program}"
