"""Signing and encryption of whole messages, as one session agreed on them.

A session that signs takes no answer without its signature, and one that encrypts none in the plain:
who sits between could otherwise leave both away.
"""

import hashlib
import hmac
import os
import struct
from typing import Any, Final, Protocol

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import cmac
from cryptography.hazmat.primitives.ciphers import aead, algorithms
from smbprotocol import Dialects  # type: ignore[import-untyped]
from smbprotocol.connection import (  # type: ignore[import-untyped]
    Ciphers,
    SigningAlgorithms,
)
from smbprotocol.exceptions import SMBException  # type: ignore[import-untyped]
from smbprotocol.header import NtStatus  # type: ignore[import-untyped]

from reconciler.adapters.smb.messages import HEADER_BYTES, MESSAGE_ID, Head

TRANSFORM: Final = struct.Struct("<4s16s16sIHHQ")
"""Source: [MS-SMB2] 2.2.41: id, signature, nonce, size of the message, reserved, flags, session."""
TRANSFORM_ID: Final = b"\xfdSMB"
TAG_BYTES: Final = 16
_ENCRYPTED: Final = 1
_AUTHENTICATED_FROM: Final = 20
"""All of the transform header behind id and signature is authenticated."""
_SIGNATURE: Final = slice(48, 64)
"""Source: [MS-SMB2] 2.2.1.2."""
_CIPHERS: Final = {
    Ciphers.AES_128_GCM: (aead.AESGCM, 12),
    Ciphers.AES_256_GCM: (aead.AESGCM, 12),
    Ciphers.AES_128_CCM: (aead.AESCCM, 11),
    Ciphers.AES_256_CCM: (aead.AESCCM, 11),
}
"""With the bytes of their nonces. Source: [MS-SMB2] 2.2.41."""


class Sealing(Protocol):
    """How one session protects what is said."""

    def sealed(self, message: bytearray, message_id: int) -> bytes:
        """A request as it is sent."""
        ...

    def opened(self, room: bytearray, length: int) -> memoryview:
        """The answer in `room`, if it is the server's; right until the next is put there.

        `room` has TAG_BYTES more than `length`.

        Raises:
            ForgedAnswerError: It is not.
        """
        ...


class ForgedAnswerError(SMBException):  # type: ignore[misc]
    """An answer is not signed or encrypted as it must be: nothing of it is believed."""


class Signing:
    """Signs requests, and checks the signature of each answer."""

    def __init__(self, connection: Any, session: Any) -> None:
        self._key = session.signing_key
        self._kind = _signing_kind(connection)
        self._gmac = aead.AESGCM(self._key) if self._kind == SigningAlgorithms.AES_GMAC else None

    def sealed(self, message: bytearray, message_id: int) -> bytes:
        """A request as it is sent."""
        message[_SIGNATURE] = self._signature(message, message_id, is_answer=False)
        return bytes(message)

    def opened(self, room: bytearray, length: int) -> memoryview:
        """A signed answer, in its place."""
        answer = memoryview(room)[:length]
        if length < HEADER_BYTES or not room.startswith(MESSAGE_ID):
            raise ForgedAnswerError("an answer that is none")
        head = Head.of(room)
        if head.status == NtStatus.STATUS_PENDING:
            return answer  # Source: [MS-SMB2] 3.2.5.1.3: an interim answer is not signed
        found = bytes(answer[_SIGNATURE])
        answer[_SIGNATURE] = bytes(TAG_BYTES)
        expected = self._signature(answer, head.message_id, is_answer=True)
        if not hmac.compare_digest(found, expected):
            raise ForgedAnswerError("an answer whose signature is wrong")
        return answer

    def _signature(
        self, message: bytearray | memoryview, message_id: int, *, is_answer: bool
    ) -> bytes:
        if self._gmac is not None:
            # Source: [MS-SMB2] 3.1.4.1: the message's id, and one bit for an answer.
            nonce = struct.pack("<QI", message_id, is_answer)
            return self._gmac.encrypt(nonce, b"", message)
        if self._kind == SigningAlgorithms.AES_CMAC:
            mac = cmac.CMAC(algorithms.AES(self._key))
            mac.update(bytes(message))
            return mac.finalize()
        return hmac.digest(self._key, bytes(message), hashlib.sha256)[:TAG_BYTES]


class Encryption:
    """Encrypts requests, and decrypts answers into a buffer that the next one is put in, too."""

    def __init__(self, connection: Any, session: Any) -> None:
        is_newest = connection.dialect >= Dialects.SMB_3_1_1
        cipher = connection.cipher_id if is_newest else Ciphers.AES_128_CCM
        kind, self._nonce_bytes = _CIPHERS[cipher]
        self._to_server = kind(session.encryption_key)
        self._to_us = kind(session.decryption_key)
        self._session_id = session.session_id
        self._plain = bytearray()

    def sealed(self, message: bytearray, message_id: int) -> bytes:
        """A request as it is sent."""
        nonce = os.urandom(self._nonce_bytes)
        padded = nonce.ljust(16, b"\0")
        size = len(message)
        head = TRANSFORM.pack(TRANSFORM_ID, b"", padded, size, 0, _ENCRYPTED, self._session_id)
        closed = self._to_server.encrypt(nonce, bytes(message), head[_AUTHENTICATED_FROM:])
        return b"".join(
            (TRANSFORM_ID, closed[-TAG_BYTES:], head[_AUTHENTICATED_FROM:], closed[:-TAG_BYTES])
        )

    def opened(self, room: bytearray, length: int) -> memoryview:
        """What is in an encrypted answer."""
        if length < TRANSFORM.size or not room.startswith(TRANSFORM_ID):
            raise ForgedAnswerError("an answer in the plain where all is encrypted")
        _, tag, nonce, size, _, _, session = TRANSFORM.unpack_from(room)
        if size != length - TRANSFORM.size or session != self._session_id:
            raise ForgedAnswerError("an encrypted answer of another size or session")
        view = memoryview(room)
        view[length : length + TAG_BYTES] = tag
        if len(self._plain) < size:
            self._plain = bytearray(len(room))
        plain = memoryview(self._plain)[:size]
        try:
            self._to_us.decrypt_into(
                nonce[: self._nonce_bytes],
                view[TRANSFORM.size : length + TAG_BYTES],
                bytes(view[_AUTHENTICATED_FROM : TRANSFORM.size]),
                plain,
            )
        except InvalidTag as error:
            raise ForgedAnswerError("an encrypted answer that was changed") from error
        return plain


def sealing(connection: Any, session: Any, tree: Any) -> Sealing:
    """How messages about files of a share are protected."""
    if session.encrypt_data or tree.encrypt_data:
        return Encryption(connection, session)
    return Signing(connection, session)


def _signing_kind(connection: Any) -> int:
    """Source: [MS-SMB2] 3.1.4.1."""
    if connection.dialect >= Dialects.SMB_3_1_1 and connection.signing_algorithm_id is not None:
        return int(connection.signing_algorithm_id)
    if connection.dialect >= Dialects.SMB_3_0_0:
        return int(SigningAlgorithms.AES_CMAC)
    return int(SigningAlgorithms.HMAC_SHA256)
