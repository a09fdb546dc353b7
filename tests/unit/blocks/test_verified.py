from datetime import UTC, datetime, timedelta
from pathlib import Path

from reconciler.blocks.verified import VerifiedPacks

NOW = datetime(2026, 3, 1, tzinfo=UTC)


def test_what_was_verified_longest_ago_comes_first(tmp_path: Path) -> None:
    file = tmp_path / "cache" / "verified"
    VerifiedPacks(file).note([1, 2, 3], NOW)
    VerifiedPacks(file).note([2], NOW + timedelta(days=1))
    VerifiedPacks(file).note([1], NOW + timedelta(days=2))

    assert VerifiedPacks(file).oldest([1, 2, 3, 4], 1.0) == [4, 3, 2, 1]
    assert VerifiedPacks(file).oldest([1, 2, 3, 4], 0.5) == [4, 3]


def test_a_small_share_is_at_least_one_pack_of_those_there_are(tmp_path: Path) -> None:
    known = VerifiedPacks(tmp_path / "verified")

    assert known.oldest([7, 8], 0.01) == [7]
    assert known.oldest([], 0.5) == []


def test_samples_of_a_twentieth_read_everything_in_twenty_rounds(tmp_path: Path) -> None:
    file, packs, seen = tmp_path / "verified", range(1, 101), set[int]()
    for day in range(20):
        known = VerifiedPacks(file)
        chosen = known.oldest(packs, 0.05)
        known.note(chosen, NOW + timedelta(days=day))
        seen.update(chosen)

    assert seen == set(packs)


def test_packs_that_nothing_needs_are_forgotten_and_a_torn_file_is_no_trouble(
    tmp_path: Path,
) -> None:
    file = tmp_path / "verified"
    known = VerifiedPacks(file)
    known.note([1, 2], NOW)
    known.keep_only([2])
    known.note([], NOW)

    assert file.stat().st_size == 16
    file.write_bytes(file.read_bytes()[:11])
    assert VerifiedPacks(file).oldest([2], 1.0) == [2]
