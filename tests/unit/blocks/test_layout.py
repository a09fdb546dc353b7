import pytest

from reconciler.blocks.layout import (
    address_of,
    checked_id,
    pack_name,
    pack_number,
    pack_of,
    parse_pack_name,
    slot_of,
)
from reconciler.errors import RepositoryError


def test_the_first_address_of_all_is_not_zero() -> None:
    assert address_of(pack_number(1, 1), 0) > 0


def test_the_last_address_of_all_fits_64_bits() -> None:
    last = address_of(pack_number(0xFFFF, (1 << 28) - 1), (1 << 20) - 1)

    assert last == 2**64 - 1
    assert (pack_of(last), slot_of(last)) == (2**44 - 1, 2**20 - 1)


@pytest.mark.parametrize(("writer", "sequence"), [(0, 1), (1, 0), (0x10000, 1), (1, 1 << 28)])
def test_numbers_that_do_not_fit_are_refused(writer: int, sequence: int) -> None:
    with pytest.raises(ValueError, match="is not in"):
        pack_number(writer, sequence)


def test_a_pack_is_found_by_its_name() -> None:
    number = pack_number(0x2A, 0x12345)

    assert pack_name(number, 3) == "packs/002a/00048/0012345.3"
    assert parse_pack_name("packs/002a/00048/0012345.3") == (number, 3)


@pytest.mark.parametrize(
    "name",
    [
        "packs/002a/00048/0012345",
        "packs/002a/00047/0012345.3",
        "packs/0000/00048/0012345.3",
        "packs/002a/00000/0000000.0",
        "packs/002a/00048/0012345.03",
        "packs/002A/00048/0012345.3",
        "packs/002a/00048/0012345.3/x",
    ],
)
def test_other_names_are_no_packs(name: str) -> None:
    assert parse_pack_name(name) is None


@pytest.mark.parametrize("text", ["", ".", "..", "a/b", "a\\b", "x" * 129, "é", "a b", "a\n"])
def test_an_id_that_a_store_may_not_keep_is_refused(text: str) -> None:
    with pytest.raises(RepositoryError) as caught:
        checked_id(text)

    assert caught.value.hint
