"""Keys: only the passphrase opens a repository, and nothing sealed opens elsewhere."""

from pathlib import Path
from uuid import UUID, uuid4

import pytest

from reconciler.adapters.stores import FolderStore
from reconciler.blocks.keys import (
    KEY_BYTES,
    RepositoryKeys,
    add_key_slot,
    new_master,
    open_master,
)
from reconciler.blocks.objects import Objects
from reconciler.blocks.repository import Repository
from reconciler.errors import BlockDamagedError, RepositoryKeyError

REPOSITORY = UUID("00112233-4455-6677-8899-aabbccddeeff")
HEX = "5e" * KEY_BYTES


@pytest.fixture
def objects(tmp_path: Path) -> Objects:
    return Objects(FolderStore(tmp_path))


@pytest.mark.parametrize("passphrase", ["correct horse battery staple", HEX, "höhe", ""])
def test_each_passphrase_opens_the_same_master_key(objects: Objects, passphrase: str) -> None:
    master = new_master()
    add_key_slot(objects, master, REPOSITORY.bytes, "another one")
    add_key_slot(objects, master, REPOSITORY.bytes, passphrase)
    assert open_master(objects, REPOSITORY.bytes, passphrase) == master


@pytest.mark.parametrize("wrong", ["wrong", "5f" * KEY_BYTES])
@pytest.mark.parametrize("right", ["right", HEX])
def test_a_wrong_passphrase_is_told_and_tells_nothing(
    objects: Objects, right: str, wrong: str
) -> None:
    add_key_slot(objects, new_master(), REPOSITORY.bytes, right)
    with pytest.raises(RepositoryKeyError) as caught:
        open_master(objects, REPOSITORY.bytes, wrong)
    assert wrong not in str(caught.value) + caught.value.hint


def test_a_slot_of_another_repository_opens_nothing(objects: Objects) -> None:
    add_key_slot(objects, new_master(), REPOSITORY.bytes, "passphrase")
    with pytest.raises(RepositoryKeyError):
        open_master(objects, uuid4().bytes, "passphrase")


def test_a_document_opens_only_under_its_own_name() -> None:
    keys = RepositoryKeys(new_master(), REPOSITORY.bytes)
    sealed = keys.seal_document("heads/a", b"content")
    assert keys.open_document("heads/a", sealed) == b"content"
    with pytest.raises(BlockDamagedError, match="heads/b"):
        keys.open_document("heads/b", sealed)
    for at in range(len(sealed)):
        damaged = bytearray(sealed)
        damaged[at] ^= 1
        with pytest.raises(BlockDamagedError):
            keys.open_document("heads/a", bytes(damaged))


def test_the_same_content_is_never_sealed_alike_twice() -> None:
    keys = RepositoryKeys(new_master(), REPOSITORY.bytes)
    assert keys.seal_document("a", b"x") != keys.seal_document("a", b"x")
    assert keys.block_id(bytes(32)) != bytes(32)


def test_a_block_opens_only_in_its_slot_of_its_pack() -> None:
    keys = RepositoryKeys(new_master(), REPOSITORY.bytes)
    buffer = bytearray(64)
    length = keys.pack(7, bytes(32)).seal_into(3, b"plain", memoryview(buffer))
    sealed = bytes(buffer[:length])
    assert keys.pack(7, bytes(32)).open(3, sealed) == b"plain"
    for number, salt, slot in ((8, bytes(32), 3), (7, b"\1" * 32, 3), (7, bytes(32), 4)):
        with pytest.raises(ValueError, match="sealed"):
            keys.pack(number, salt).open(slot, sealed)


def test_an_encrypted_repository_opens_with_its_passphrase_only(tmp_path: Path) -> None:
    store = FolderStore(tmp_path)
    made = Repository.create(store, passphrase=HEX)
    cache = tmp_path / "cache"
    assert Repository.open(store, cache=cache, writer=None, passphrase=HEX).id == made
    for passphrase in (None, "5f" * KEY_BYTES):
        with pytest.raises(RepositoryKeyError):
            Repository.open(store, cache=cache, writer=None, passphrase=passphrase)
