"""Configuration files as a manifest holds them."""

import base64
import gzip
import zlib

import pytest

from reconciler.blocks.configuration import (
    LEFT_OUT,
    MOST_FILES_BYTES,
    configuration_of,
    stored_file,
    stored_left_out,
)
from reconciler.errors import BlockDamagedError
from reconciler.model.configuration import FileLeftOut


def test_files_come_back_as_they_were_and_zeros_cost_little() -> None:
    files = {"a.vmcx": b"\x01\x02\x03", "a.vmgs": b"firmware" + bytes(4 << 20)}
    stored = dict(stored_file(name, data) for name, data in files.items())

    assert configuration_of(stored).files == files
    assert sorted(stored) == ["a.vmcx", "a.vmgs.gz"]
    assert sum(map(len, stored.values())) < 16 << 10


def test_what_is_missing_is_told_by_a_file_among_them() -> None:
    left_out = (FileLeftOut("a.vmrs", 8 << 30, "too large"), FileLeftOut("all", None, "refused"))

    assert configuration_of(stored_left_out(left_out)).left_out == left_out
    assert stored_left_out(()) == {}


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize(
    "stored",
    [
        {"a.vmcx": "no base64!"},
        {"a.vmcx.gz": text(b"no gzip")},
        {"a.vmcx.gz": text(gzip.compress(b"whole")[:-4])},
        {"a.vmcx.gz": text(gzip.compress(b"whole") + b"more")},
        {"a.vmcx.gz": text(zlib.compress(b"whole"))},
        {"a.vmcx.gz": text(gzip.compress(bytes(MOST_FILES_BYTES + 1)))},
        {"a.vmcx": text(b"1"), "a.vmcx.gz": text(gzip.compress(b"2"))},
        {LEFT_OUT: text(b"[]")},
        {LEFT_OUT: text(b'{"left_out": [{"name": "a"}]}')},
    ],
)
def test_what_was_never_stored_so_is_damage(stored: dict[str, str]) -> None:
    with pytest.raises(BlockDamagedError):
        configuration_of(stored)
