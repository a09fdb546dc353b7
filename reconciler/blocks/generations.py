"""Generations of packs as objects: the highest one counts, older ones are on their way out."""

from collections.abc import Sequence

from reconciler.blocks.layout import pack_name, parse_pack_name, shard_folder
from reconciler.blocks.objects import Objects
from reconciler.errors import RepositoryLockedError


def generations(objects: Objects, shard: int) -> dict[int, list[str]]:
    """Packs of one folder by their number, as the names of their generations, newest last."""
    found: dict[int, list[tuple[int, str]]] = {}
    for name in objects.names(shard_folder(shard)):
        if (parsed := parse_pack_name(name)) is not None:
            number, generation = parsed
            found.setdefault(number, []).append((generation, name))
    return {number: [name for _, name in sorted(each)] for number, each in found.items()}


def following(name: str) -> int:
    """The generation after that of a pack's object."""
    known = parse_pack_name(name)
    assert known is not None  # noqa: S101 (it was found by its name)
    return known[1] + 1


def put_next(objects: Objects, number: int, generation: int, data: bytes) -> None:
    """Make a pack's next generation durable, then delete those before.

    Raises:
        RepositoryLockedError: Somebody else has made it.
    """
    name = pack_name(number, generation)
    try:
        objects.create(name, data)
    except FileExistsError as error:
        raise RepositoryLockedError(
            f"pack {name} is there already: somebody else writes the pack anew",
            hint="try again when the other process has ended",
        ) from error
    for before in range(generation):
        objects.delete(pack_name(number, before))


def delete(objects: Objects, names: Sequence[str]) -> int:
    """Delete generations of a pack; how many bytes that were."""
    freed = 0
    for name in names:
        try:
            freed += objects.size(name)
        except FileNotFoundError:
            continue
        objects.delete(name)
    return freed
