"""Runs of the index: what was entered is found, whatever the size, the order and the damage."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from reconciler.blocks.index import BlockIndex
from reconciler.blocks.index_run import Run, bucket_bits, file_bytes, map_run, merged, write_run
from reconciler.blocks.layout import address_of

Words = npt.NDArray[np.uint64]


def words(count: int, seed: int = 7) -> Words:
    return np.random.default_rng(seed).integers(1, 2**64, count, np.uint64)


def in_file(folder: Path, run: Run) -> Run:
    with (folder / "a.run").open("xb", buffering=0) as file:
        entries = write_run(file, lambda: iter([run]))
    assert (folder / "a.run").stat().st_size == file_bytes(entries)
    return map_run(folder, "a.run", entries)


def ids(count: int, seed: int) -> list[bytes]:
    data = np.random.default_rng(seed).bytes(32 * count)
    return [data[32 * i : 32 * i + 32] for i in range(count)]


def addresses(count: int, pack: int) -> list[int]:
    return [address_of(pack, slot) for slot in range(count)]


@pytest.mark.parametrize("count", [1, 31, 32, 33, 5000, 100_000])
def test_every_key_of_a_file_is_found_and_no_other(tmp_path: Path, count: int) -> None:
    run = merged([Run(words(count), words(count, 8))])
    mapped = in_file(tmp_path, run)
    assert mapped.find(run.keys).tolist() == run.addresses.tolist()
    assert not mapped.find(words(1000, 9)).any()


def test_keys_at_the_ends_of_the_space_are_found(tmp_path: Path) -> None:
    keys = np.array([0, 1, 2**63, 2**64 - 1], np.uint64)
    run = merged([Run(np.append(keys, words(500)), np.arange(1, 505, dtype=np.uint64))])
    assert in_file(tmp_path, run).find(keys).tolist() == [1, 2, 3, 4]


def test_the_newest_address_of_a_key_stays() -> None:
    key = np.array([5], np.uint64)
    older, newer = (Run(key, np.array([address], np.uint64)) for address in (1, 2))
    assert merged([older, newer]).find(key).tolist() == [2]


def test_a_look_up_touches_few_entries_of_a_large_run(tmp_path: Path) -> None:
    run = merged([Run(words(100_000), words(100_000, 8))])
    mapped = in_file(tmp_path, run)
    assert mapped.starts is not None
    widest = int(np.diff(mapped.starts).max())
    assert bucket_bits(len(run)) >= 11
    assert widest < 80


def test_a_damaged_file_finds_nothing_and_breaks_nothing(tmp_path: Path) -> None:
    run = merged([Run(words(5000), words(5000, 8))])
    mapped = in_file(tmp_path, run)
    data = bytearray((tmp_path / "a.run").read_bytes())
    data[16 * len(mapped) :] = b"\xff" * (len(data) - 16 * len(mapped))
    (tmp_path / "b.run").write_bytes(data)
    assert not map_run(tmp_path, "b.run", len(mapped)).find(run.keys[:100]).any()


@pytest.mark.parametrize("limit", [10, 1 << 16])
def test_what_was_entered_is_found_by_the_next_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, limit: int
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MEMORY_ENTRIES", limit)
    entered: dict[bytes, int] = {}
    index = BlockIndex(tmp_path, "r")
    for pack in range(1, 12):
        new = dict(zip(ids(50 * pack, pack), addresses(50 * pack, pack), strict=True))
        index.add(list(new), list(new.values()))
        entered |= new
    index.save({1: 12})
    again = BlockIndex(tmp_path, "r")
    assert again.covered == {1: 12}
    assert again.find(list(entered)) == list(entered.values())
    assert again.find(ids(20, 99)) == [0] * 20


def found(index: BlockIndex, wanted: Sequence[bytes]) -> list[int]:
    return index.find(wanted)


@pytest.mark.parametrize("most_forgotten", [0, 100])
def test_a_forgotten_pack_hides_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, most_forgotten: int
) -> None:
    monkeypatch.setattr("reconciler.blocks.index._MOST_FORGOTTEN", most_forgotten)
    index = BlockIndex(tmp_path, "r")
    same = ids(40, 1)
    index.add(same, addresses(40, 5))
    index.forget([5])
    assert found(index, same) == [0] * 40
    index.add(same[:10], addresses(10, 6))
    index.save({})
    again = BlockIndex(tmp_path, "r")
    assert again.find(same) == [*addresses(10, 6), *[0] * 30]


def test_nothing_is_written_when_there_is_nothing_new(tmp_path: Path) -> None:
    index = BlockIndex(tmp_path, "r")
    index.add(ids(3, 1), addresses(3, 1))
    index.save({1: 2})
    before = (tmp_path / "index.json").stat().st_mtime_ns
    BlockIndex(tmp_path, "r").save({1: 2})
    assert (tmp_path / "index.json").stat().st_mtime_ns == before
