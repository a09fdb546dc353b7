"""Azurite, Microsoft's own emulator of Azure Blob, with containers and signatures for tests."""

import base64
import contextlib
import hashlib
import hmac
import shutil
import time
import urllib.parse
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path
from uuid import uuid4

from tests.server_processes import Process, ask, await_answer, free_port

NODE = Path(__file__).parent.parent / ".azurite" / "node_modules" / ".bin"
AZURE_ACCOUNT = "devstoreaccount1"
AZURE_KEY = (  # the emulator's own, the same on every computer
    "Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw=="
)
AZURE_VERSION = "2021-12-02"


@contextlib.contextmanager
def azurite(folder: Path) -> Iterator[str]:
    """One that keeps all in memory; its address."""
    port, log = free_port(), folder / "azurite.log"
    options = ("--silent", "--inMemoryPersistence", "--disableTelemetry")
    style = "--disableProductStyleUrl"
    server = Process(azurite_program(), *options, style, "--blobPort", str(port), log=log)
    try:
        endpoint = f"http://127.0.0.1:{port}"
        await_answer(endpoint, log)
        yield f"{endpoint}/{AZURE_ACCOUNT}"
    finally:
        server.close()


def azurite_program() -> str:
    return shutil.which("azurite-blob") or str(shutil.which(NODE / "azurite-blob") or "")


def new_container(endpoint: str) -> str:
    name, now = f"c{uuid4().hex}", formatdate(usegmt=True)
    text = (
        f"PUT{chr(10) * 12}x-ms-date:{now}\nx-ms-version:{AZURE_VERSION}\n"
        f"/{AZURE_ACCOUNT}/{AZURE_ACCOUNT}/{name}\nrestype:container"
    )
    headers = {
        "x-ms-date": now,
        "x-ms-version": AZURE_VERSION,
        "Authorization": f"SharedKey {AZURE_ACCOUNT}:{signed(text)}",
    }
    ask("PUT", f"{endpoint}/{name}?restype=container", headers)
    return name


def container_signature(container: str) -> str:
    """A shared access signature of a container, good for a day and no more than we need."""
    fields = {
        "sp": "rcwdl",
        "se": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 86_400)),
        "sv": AZURE_VERSION,
        "sr": "c",
    }
    resource = f"/blob/{AZURE_ACCOUNT}/{container}"
    before = [fields["sp"], "", fields["se"], resource, "", "", ""]
    text = "\n".join([*before, fields["sv"], fields["sr"], *[""] * 7])
    return urllib.parse.urlencode({**fields, "sig": signed(text)})


def signed(text: str) -> str:
    digest = hmac.new(base64.b64decode(AZURE_KEY), text.encode(), hashlib.sha256).digest()
    return base64.b64encode(digest).decode()
