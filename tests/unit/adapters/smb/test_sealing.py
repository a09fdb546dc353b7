"""What is believed of an answer: signed as agreed, or encrypted as agreed, and nothing else."""

from types import SimpleNamespace

import pytest
from smbprotocol import Dialects  # type: ignore[import-untyped]
from smbprotocol.connection import Ciphers, SigningAlgorithms  # type: ignore[import-untyped]
from smbprotocol.header import NtStatus  # type: ignore[import-untyped]

from reconciler.adapters.smb.messages import READ, Cost, Place, header
from reconciler.adapters.smb.sealing import (
    TAG_BYTES,
    Encryption,
    ForgedAnswerError,
    Sealing,
    Signing,
)

CONNECTION = SimpleNamespace(
    dialect=Dialects.SMB_3_1_1,
    cipher_id=Ciphers.AES_128_GCM,
    signing_algorithm_id=SigningAlgorithms.AES_CMAC,
)
SESSION = SimpleNamespace(
    session_id=7, signing_key=b"s" * 16, encryption_key=b"k" * 16, decryption_key=b"k" * 16
)
OTHER = SimpleNamespace(
    session_id=7, signing_key=b"x" * 16, encryption_key=b"x" * 16, decryption_key=b"x" * 16
)
PLAIN = bytes(header(Place(7, 1, is_dfs=False, is_signed=True), READ, 5, Cost(1, 1))) + b"data"


def opened(sealing: Sealing, answer: bytes) -> bytes:
    return bytes(sealing.opened(bytearray(answer) + bytes(TAG_BYTES), len(answer)))


@pytest.mark.parametrize("kind", [Signing, Encryption])
def test_what_is_sealed_with_another_key_is_not_believed(
    kind: type[Signing] | type[Encryption],
) -> None:
    forged = kind(CONNECTION, OTHER).sealed(bytearray(PLAIN), 5)

    with pytest.raises(ForgedAnswerError):
        opened(kind(CONNECTION, SESSION), forged)


@pytest.mark.parametrize("kind", [Signing, Encryption])
def test_what_is_not_sealed_at_all_is_not_believed(
    kind: type[Signing] | type[Encryption],
) -> None:
    with pytest.raises(ForgedAnswerError):
        opened(kind(CONNECTION, SESSION), PLAIN)


def test_what_was_encrypted_comes_out_as_it_was() -> None:
    both = Encryption(CONNECTION, SESSION)

    assert opened(both, both.sealed(bytearray(PLAIN), 5)) == PLAIN


def test_an_encrypted_answer_for_another_session_is_not_believed() -> None:
    there = SimpleNamespace(**{**vars(SESSION), "session_id": 8})
    answer = Encryption(CONNECTION, there).sealed(bytearray(PLAIN), 5)

    with pytest.raises(ForgedAnswerError):
        opened(Encryption(CONNECTION, SESSION), answer)


@pytest.mark.parametrize("answer", [b"", b"\xfeSMB", b"\xfdSMB" + bytes(48), b"?" * 70])
@pytest.mark.parametrize("kind", [Signing, Encryption])
def test_an_answer_that_is_none_is_refused(
    kind: type[Signing] | type[Encryption], answer: bytes
) -> None:
    with pytest.raises(ForgedAnswerError):
        opened(kind(CONNECTION, SESSION), answer)


def test_only_an_interim_answer_may_come_without_a_signature() -> None:
    interim = bytearray(PLAIN)
    interim[8:12] = int(NtStatus.STATUS_PENDING).to_bytes(4, "little")

    assert opened(Signing(CONNECTION, SESSION), bytes(interim)) == interim
