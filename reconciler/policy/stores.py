"""Stores that a volume may be instead of a folder: an SMB share, Azure Blob, S3."""

import re
from collections.abc import Iterator
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, WithJsonSchema

from reconciler.policy.complaints import Location, Remark, Severity
from reconciler.policy.hosts import SMB_PORT
from reconciler.policy.kind import PolicyModel
from reconciler.policy.values import Address, Optionally, SecretReference, Text, wrong

_ACCOUNT: Final = r"^[a-z0-9]{3,24}$"
_CONTAINER: Final = r"^[a-z0-9](-?[a-z0-9]){2,62}$"
_BUCKET: Final = r"^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"
_SHARE: Final = r"^[^\\/:*?\"<>|\x00-\x1f]{1,80}$"
_FOLDER: Final = re.compile(r"[A-Za-z0-9_$ ][A-Za-z0-9._$ -]{0,254}(?<![. ])")
_PREFIX: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,254}")
_LOOPBACK: Final = re.compile(r"localhost|127\.[0-9.]+|::1")


def _endpoint(value: str) -> str:
    """The address of a service; whoever reads the policy must not find a secret in it."""
    try:
        parts = urlsplit(value)
        is_address = bool(parts.hostname) and (parts.port or 1) > 0
    except ValueError:
        raise wrong("expected an address such as https://s3.example.com") from None
    if parts.scheme not in {"https", "http"} or not is_address:
        raise wrong("expected an address such as https://s3.example.com", is_about_key=True)
    if parts.query or parts.fragment or "@" in parts.netloc:
        hint = "give key or signature by reference, in a key of its own"
        raise wrong("an address with no user, query or signature in it", hint, is_about_key=True)
    return value.rstrip("/")


def _steps(value: str, step: re.Pattern[str], what: str) -> str:
    """Names with slashes between them, in one spelling."""
    parts = value.replace("\\", "/").strip("/").split("/")
    if not all(step.fullmatch(part) for part in parts):
        raise wrong(f"expected {what} such as backup/hyper-v", "letters, digits, '_', '-' and '.'")
    return "/".join(parts)


def _folder(value: str) -> str:
    return _steps(value, _FOLDER, "a folder of the share")


def _prefix(value: str) -> str:
    return _steps(value, _PREFIX, "a prefix")


def _matching(pattern: str, what: str) -> AfterValidator:
    def check(value: str) -> str:
        if not re.fullmatch(pattern, value):
            raise wrong(f"expected {what}")
        return value

    return AfterValidator(check)


def _schema(pattern: str) -> WithJsonSchema:
    return WithJsonSchema({"type": "string", "pattern": pattern})


Endpoint = Annotated[
    Text, AfterValidator(_endpoint), WithJsonSchema({"type": "string", "pattern": "^https?://"})
]
Folder = Annotated[Text, AfterValidator(_folder)]
Prefix = Annotated[Text, AfterValidator(_prefix)]
Share = Annotated[Text, _matching(_SHARE, "the name of a share, such as backup$"), _schema(_SHARE)]
Account = Annotated[
    Text,
    _matching(_ACCOUNT, "a storage account: 3 to 24 lower-case letters and digits"),
    _schema(_ACCOUNT),
]
Container = Annotated[
    Text,
    _matching(_CONTAINER, "a container: 3 to 63 lower-case letters, digits and '-'"),
    _schema(_CONTAINER),
]
Bucket = Annotated[
    Text,
    _matching(_BUCKET, "a bucket: 3 to 63 lower-case letters, digits, '-' and '.'"),
    _schema(_BUCKET),
]


class SmbShare(PolicyModel):
    """A folder of a share that need not be mounted on this server."""

    server: Address
    """Host name or IP address of the file server."""

    share: Share
    """The share."""

    folder: Optionally[Folder] = None
    """Folder below the share; the share itself when left out."""

    port: int = Field(default=SMB_PORT, ge=1, le=65535)
    """Port of SMB."""

    user: Optionally[Text] = None
    r"""Account on the server, such as 'DOMAIN\reconciler' in single quotes; this computer's own,
    by Kerberos, when left out."""

    password: Optionally[SecretReference] = None
    """Where the password is: env:NAME or file:path, never the password itself."""

    @property
    def place(self) -> str:
        """The location, as it is shown and compared; names of Windows have no case."""
        port = "" if self.port == SMB_PORT else f":{self.port}"
        below = "/".join(part for part in (self.share, self.folder) if part).lower()
        return f"smb://{self.server.lower()}{port}/{below}"

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """A user without password, or the other way round."""
        if (self.user is None) != (self.password is None):
            key = "user" if self.user is None else "password"
            text = f"key '{key}' is missing; one is no use without the other"
            yield Remark(location, text, f"add '{key}:'")


class AzureContainer(PolicyModel):
    """A container of Azure Blob Storage, which has to exist."""

    account: Account
    """Name of the storage account."""

    container: Container
    """Name of the container."""

    prefix: Optionally[Prefix] = None
    """What the names of all objects begin with, so that a container can be shared."""

    key: Optionally[SecretReference] = None
    """Where an access key of the account is: env:NAME or file:path."""

    sas: Optionally[SecretReference] = None
    """Where a shared access signature of the container is; it needs to read, write, create,
    delete and list."""

    endpoint: Optionally[Endpoint] = None
    """Address of the blob service, where it is not Azure's own for the account."""

    @property
    def place(self) -> str:
        """The location, as it is shown and compared."""
        return _location("azure", self.endpoint, self.account, self.container, self.prefix)

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """No way of logging in, or two; an address without TLS."""
        if (self.key is None) == (self.sas is None):
            text = "exactly one of 'key' and 'sas' is needed"
            yield Remark(location, text, "write where the key or the signature is, not both")
        yield from _clear_text((*location, "endpoint"), self.endpoint)


class S3Bucket(PolicyModel):
    """A bucket of S3 or of a service that speaks as it does, which has to exist."""

    bucket: Bucket
    """Name of the bucket."""

    access_key: SecretReference
    """Where the id of the access key is: env:NAME or file:path."""

    secret_key: SecretReference
    """Where the secret of the access key is."""

    prefix: Optionally[Prefix] = None
    """What the names of all objects begin with, so that a bucket can be shared."""

    region: Text = "us-east-1"
    """Region of the bucket."""

    endpoint: Optionally[Endpoint] = None
    """Address of the service, where it is not Amazon's own for the region. It has to know
    conditional writes (If-None-Match)."""

    @property
    def place(self) -> str:
        """The location, as it is shown and compared."""
        return _location("s3", self.endpoint, self.bucket, self.prefix)

    def remarks_at(self, location: Location) -> Iterator[Remark]:
        """An address without TLS."""
        yield from _clear_text((*location, "endpoint"), self.endpoint)


def _location(scheme: str, endpoint: str | None, *steps: str | None) -> str:
    service = urlsplit(endpoint).netloc.lower() if endpoint else None
    return f"{scheme}://{'/'.join(step for step in (service, *steps) if step)}"


def _clear_text(location: Location, endpoint: str | None) -> Iterator[Remark]:
    parts = urlsplit(endpoint or "")
    if parts.scheme == "http" and not _LOOPBACK.fullmatch(parts.hostname or ""):
        text = "without TLS whoever is on the way can read all and change it"
        yield Remark(location, text, "write https:// if it can", severity=Severity.WARNING)
