"""The keys of an encrypted repository: how a passphrase opens them, and what each one seals.

One random master key lives as long as the repository. Each key slot (`keys/<n>`) holds it sealed
under a passphrase of its own, so a passphrase is changed without touching any data. Everything
else is derived: a key for block ids, one for documents, one for each pack. See FORMAT.md, part 4.
"""

import hashlib
import hmac
import re
import secrets
from typing import Annotated, Final, Literal

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Meta

from reconciler.blocks.codec import Bytes
from reconciler.blocks.document import Document, from_bytes, to_bytes
from reconciler.blocks.header import RepositoryHeader
from reconciler.blocks.layout import KEYS, key_name
from reconciler.blocks.objects import Objects, damaged
from reconciler.errors import RepositoryKeyError

KEY_BYTES: Final = 32
TAG_BYTES: Final = 16
NONCE_BYTES: Final = 12
_MOST_BYTES: Final = 4096
_SCRYPT: Final = (1 << 15, 8, 1)
"""Cost, block size, parallelism: 32 MiB and about 0.1 s a try. Source: OWASP's table for scrypt."""
_MOST_SCRYPT_BYTES: Final = 256 << 20
_IS_KEY: Final = re.compile(r"[0-9a-fA-F]{64}")
_DOCUMENT_MAGIC: Final = b"RCDC\x01\x00\x00\x00"


class _KeySlot(Document, frozen=True, kw_only=True):
    format: Literal["reconciler-key"] = "reconciler-key"
    version: Literal[1] = 1
    derivation: Literal["scrypt", "hmac"]
    salt: Annotated[str, Meta(pattern=r"^[0-9a-f]{64}$")]
    cost: Annotated[int, Meta(ge=1, le=1 << 20)]
    block_size: Annotated[int, Meta(ge=1, le=32)]
    parallelism: Annotated[int, Meta(ge=1, le=16)]
    nonce: Annotated[str, Meta(pattern=r"^[0-9a-f]{24}$")]
    sealed: Annotated[str, Meta(pattern=r"^[0-9a-f]{96}$")]


class PackKey:
    """Seals what one pack holds; its nonces are slots, so none is used twice."""

    def __init__(self, key: bytes) -> None:
        self._key = key
        self._cipher = AESGCM(key)

    def seal_into(self, slot: int, plain: Bytes, target: memoryview) -> int:
        """Write the sealed bytes of a slot; returns how many."""
        length = len(plain) + TAG_BYTES
        self._cipher.encrypt_into(_nonce(slot), plain, None, target[:length])
        return length

    def open(self, slot: int, sealed: Bytes) -> bytes:
        """The bytes that were sealed for a slot.

        Raises:
            ValueError: They are not what was sealed.
        """
        try:
            return self._cipher.decrypt(_nonce(slot), sealed, None)
        except InvalidTag as error:
            raise ValueError("the block is not what was sealed") from error

    def open_into(self, slot: int, sealed: Bytes, target: memoryview) -> int:
        """As `open`, into a buffer; returns how many bytes."""
        length = len(sealed) - TAG_BYTES
        if length < 0:
            raise ValueError("too short for a sealed block")
        try:
            self._cipher.decrypt_into(_nonce(slot), sealed, None, target[:length])
        except InvalidTag as error:
            raise ValueError("the block is not what was sealed") from error
        return length

    def table_cipher(self, salt: bytes) -> AESGCM:
        """For the table of one generation: each has a salt, and so a key, of its own."""
        return AESGCM(_derived(self._key, salt, b"table"))


class RepositoryKeys:
    """What a repository with encryption is read and written with."""

    def __init__(self, master: bytes, repository: bytes) -> None:
        self._master = master
        self._ids = _derived(master, repository, b"block ids")
        self._documents = AESGCM(_derived(master, repository, b"documents"))

    def block_id(self, digest: bytes) -> bytes:
        """What a block is known by: tells nobody without the key which content it has."""
        return hmac.digest(self._ids, digest, "sha256")

    def pack(self, number: int, salt: bytes) -> PackKey:
        """The key of one pack."""
        return PackKey(_derived(self._master, salt, b"pack" + number.to_bytes(8, "little")))

    def seal_document(self, name: str, data: bytes) -> bytes:
        """The stored form of a document; it opens under its own name only."""
        nonce = secrets.token_bytes(NONCE_BYTES)
        return _DOCUMENT_MAGIC + nonce + self._documents.encrypt(nonce, data, name.encode())

    def open_document(self, name: str, sealed: bytes) -> bytes:
        """A document as it was sealed.

        Raises:
            BlockDamagedError: It is something else.
        """
        start = len(_DOCUMENT_MAGIC)
        body = sealed[start + NONCE_BYTES :]
        if not sealed.startswith(_DOCUMENT_MAGIC) or len(body) < TAG_BYTES:
            raise damaged(f"{name} is no sealed document")
        try:
            return self._documents.decrypt(sealed[start : start + NONCE_BYTES], body, name.encode())
        except InvalidTag as error:
            raise damaged(f"{name} is not what was sealed") from error


def new_master() -> bytes:
    """A master key that nobody can guess."""
    return secrets.token_bytes(KEY_BYTES)


def add_key_slot(objects: Objects, master: bytes, repository: bytes, passphrase: str) -> str:
    """Let one more passphrase open the repository; returns the name of the slot.

    A passphrase of 64 hexadecimal digits is a key itself: nothing is gained by making it slow.
    """
    salt, nonce = secrets.token_bytes(KEY_BYTES), secrets.token_bytes(NONCE_BYTES)
    derivation: Literal["scrypt", "hmac"] = "hmac" if _IS_KEY.fullmatch(passphrase) else "scrypt"
    cost, block_size, parallelism = _SCRYPT
    unlocked = _slot_key(passphrase, derivation, salt, _SCRYPT)
    slot = _KeySlot(
        derivation=derivation,
        salt=salt.hex(),
        cost=cost,
        block_size=block_size,
        parallelism=parallelism,
        nonce=nonce.hex(),
        sealed=AESGCM(unlocked).encrypt(nonce, master, repository).hex(),
    )
    for number in range(1, 1000):
        try:
            objects.create(key_name(number), to_bytes(slot))
        except FileExistsError:
            continue
        return key_name(number)
    raise RepositoryKeyError(
        "the repository has no room for another key", hint="delete keys that are not used any more"
    )


def open_master(objects: Objects, repository: bytes, passphrase: str) -> bytes:
    """The master key, out of the first slot that the passphrase opens.

    Raises:
        RepositoryKeyError: It opens none.
    """
    names = sorted(objects.names(KEYS))
    for name in names:
        slot = from_bytes(_KeySlot, objects.get(name, _MOST_BYTES), name)
        cost = (slot.cost, slot.block_size, slot.parallelism)
        if 128 * slot.cost * slot.block_size > _MOST_SCRYPT_BYTES:
            raise damaged(f"{name} asks for more memory than any key does")
        key = _slot_key(passphrase, slot.derivation, bytes.fromhex(slot.salt), cost)
        try:
            sealed = bytes.fromhex(slot.sealed)
            return AESGCM(key).decrypt(bytes.fromhex(slot.nonce), sealed, repository)
        except InvalidTag:
            continue
    raise RepositoryKeyError(
        f"the passphrase opens none of the repository's {len(names)} keys",
        hint="check that the pool's encryption.passphrase refers to the secret that the "
        "repository was made with",
    )


def open_keys(
    objects: Objects, header: RepositoryHeader, passphrase: str | None
) -> RepositoryKeys | None:
    """The keys of a repository; None for one without encryption, whatever the passphrase.

    Raises:
        RepositoryKeyError: It is encrypted, and the passphrase does not open it.
    """
    if header.encryption == "none":
        return None
    if passphrase is None:
        raise RepositoryKeyError(
            "the repository is encrypted, and no passphrase is known",
            hint="name the secret in the pool's policy: encryption.passphrase",
        )
    repository = header.id.bytes
    return RepositoryKeys(open_master(objects, repository, passphrase), repository)


def _slot_key(passphrase: str, derivation: str, salt: bytes, cost: tuple[int, int, int]) -> bytes:
    if derivation == "hmac":
        if _IS_KEY.fullmatch(passphrase) is None:
            return hashlib.sha256(salt + passphrase.encode()).digest()  # opens nothing
        return _derived(bytes.fromhex(passphrase), salt, b"key slot")
    n, r, p = cost
    most = 128 * n * r * (p + 2)
    return hashlib.scrypt(
        passphrase.encode(), salt=salt, n=n, r=r, p=p, maxmem=most, dklen=KEY_BYTES
    )


def _derived(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    """HKDF-SHA256 of one block. Source: RFC 5869."""
    return hmac.digest(hmac.digest(salt, key, "sha256"), purpose + b"\x01", "sha256")


def _nonce(slot: int) -> bytes:
    return slot.to_bytes(NONCE_BYTES, "little")
