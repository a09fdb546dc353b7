"""What reading YAML gives: documents, and where their values are."""

from dataclasses import dataclass, field

from reconciler.policy.complaints import Location, Position


@dataclass(frozen=True, slots=True)
class Limits:
    """What one file may cost."""

    bytes: int = 1 << 20
    depth: int = 32
    values: int = 50_000
    """Counted with every alias expanded: what walks the data later pays for each."""
    aliases: int = 500


@dataclass(slots=True)
class Node:
    """Where a value and its children are."""

    at: Position
    keys: dict[str | int, Position] = field(default_factory=dict)
    values: dict[str | int, "Node"] = field(default_factory=dict)

    def find(self, location: Location, *, key: bool = False) -> Position:
        """The place of the deepest part of `location` that exists."""
        node, at = self, self.at
        for step in location:
            if step not in node.values:
                break
            at = node.keys[step] if key else node.values[step].at
            node = node.values[step]
        return at


@dataclass(frozen=True, slots=True)
class Document:
    """One document of a file."""

    data: object
    node: Node | None
