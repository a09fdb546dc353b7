"""Keys of an encrypted repository (FORMAT.md, sections 3 and 4)."""

import hashlib
import hmac
import re
from collections.abc import Iterable
from uuid import UUID

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from tests.second_reader.documents import KEY, Refused, checked, require

SEALED_DOCUMENT = b"RCDC\x01\x00\x00\x00"
MOST_DERIVATION_BYTES = 256 << 20


def derive(key: bytes, salt: bytes, purpose: bytes) -> bytes:
    extracted = hmac.new(salt, key, hashlib.sha256).digest()
    return hmac.new(extracted, purpose + b"\x01", hashlib.sha256).digest()


def unsealed(key: bytes, nonce: bytes, sealed: bytes, associated: bytes | None) -> bytes:
    try:
        return AESGCM(key).decrypt(nonce, sealed, associated)
    except InvalidTag as error:
        raise Refused("not what was sealed") from error


class Keys:
    """What everything of one repository is opened with."""

    def __init__(self, master: bytes, repository: UUID) -> None:
        self._master = master
        self._ids = derive(master, repository.bytes, b"block ids")
        self._documents = derive(master, repository.bytes, b"documents")

    def block_id(self, digest: bytes) -> bytes:
        return hmac.new(self._ids, digest, hashlib.sha256).digest()

    def pack(self, pack_number: int, salt: bytes) -> bytes:
        return derive(self._master, salt, b"pack" + pack_number.to_bytes(8, "little"))

    def document(self, name: str, data: bytes) -> bytes:
        require(data[:8] == SEALED_DOCUMENT and len(data) >= 8 + 12 + 16, "no sealed document")
        return unsealed(self._documents, data[8:20], data[20:], name.encode())


def opened(slots: Iterable[bytes], repository: UUID, passphrase: str) -> Keys:
    """The keys that a passphrase opens, out of the first slot that it opens."""
    for data in slots:
        slot = checked(data, KEY)
        require(128 * slot["cost"] * slot["block_size"] <= MOST_DERIVATION_BYTES, "too much memory")
        salt, nonce, sealed = (bytes.fromhex(slot[key]) for key in ("salt", "nonce", "sealed"))
        if slot["derivation"] == "scrypt":
            key = hashlib.scrypt(
                passphrase.encode(),
                salt=salt,
                n=slot["cost"],
                r=slot["block_size"],
                p=slot["parallelism"],
                maxmem=2 * MOST_DERIVATION_BYTES,
                dklen=32,
            )
        elif re.fullmatch("[0-9a-fA-F]{64}", passphrase):
            key = derive(bytes.fromhex(passphrase), salt, b"key slot")
        else:
            continue
        try:
            return Keys(unsealed(key, nonce, sealed, repository.bytes), repository)
        except Refused:
            continue
    raise Refused("the passphrase opens no key")
