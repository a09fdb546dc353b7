"""What the engine must reach, as ratios to what others reached in the same rounds."""

from collections.abc import Mapping
from dataclasses import dataclass

Medians = Mapping[str, Mapping[str, Mapping[str, float]]]
"""By row, contender and figure."""

ZSTD = "zstd -1 -T2"
RSYNC = "rsync --inplace --no-whole-file"


@dataclass(frozen=True)
class Target:
    """Their figure divided by ours must be at least this."""

    row: str
    other: str
    at_least: float
    figure: str = "wall_s"


TARGETS = (
    Target("initial", "restic", 4),
    Target("initial", "borg", 3.5),
    Target("initial", ZSTD, 1 / 0.75),
    Target("initial", "borg", 1 / 1.03, "stored_mib"),
    Target("incremental", "restic", 15),
    Target("incremental", "borg", 10),
    Target("check", RSYNC, 15),
    Target("verify", "restic", 3),
    Target("verify", "borg", 6),
    Target("restore", "restic", 2),
    Target("restore", "borg", 4),
    Target("restore", "cp", 0.7),
    Target("prune", "restic", 8),
    Target("prune", "borg", 4),
    Target("prune", "borg", 1 / 1.03, "stored_mib"),
)
UNCHANGED_S = 0.15
MEMORY_MIB = 250


def ratios(middle: Medians) -> list[dict[str, object]]:
    """Every target that both sides were measured for, and what was reached."""
    found: list[dict[str, object]] = []
    for target in TARGETS:
        row = middle.get(target.row, {})
        if "ours" in row and target.other in row:
            reached = row[target.other][target.figure] / row["ours"][target.figure]
            what = f"{target.row}: {target.figure} of {target.other} / ours"
            is_met = reached >= target.at_least and (target.row != "prune" or has_pruned(middle))
            found.append(judged(what, reached, target.at_least, is_met=is_met))
    unchanged = middle.get("unchanged", {}).get("ours")
    if unchanged is not None:
        wall = unchanged["wall_s"]
        found.append(judged("unchanged: wall_s", wall, UNCHANGED_S, is_met=wall <= UNCHANGED_S))
    ours = [rows["ours"]["memory_mib"] for rows in middle.values() if "ours" in rows]
    if ours:
        most = max(ours)
        found.append(judged("memory_mib of any row", most, MEMORY_MIB, is_met=most <= MEMORY_MIB))
    return found


def has_pruned(middle: Medians) -> bool:
    """Whether ours freed half of what the other point had added: doing nothing is always fast."""
    if not {"initial", "incremental", "prune"} <= middle.keys():
        return False
    first, both, left = (
        middle[row]["ours"]["stored_mib"] for row in ("initial", "incremental", "prune")
    )
    return both - left >= (both - first) / 2


def judged(what: str, reached: float, target: float, *, is_met: bool) -> dict[str, object]:
    """One line of the report."""
    return {"what": what, "reached": round(reached, 3), "target": round(target, 3), "met": is_met}
