"""Ways to break a disk file: where its structures are, what to write there, and chains that lie."""

from collections.abc import Callable, Mapping, Sequence
from random import Random  # noqa: TID251 (seeded)
from typing import Final

from reconciler.model.machine import DiskFormat
from tests.disk_images import MIB, NAMES, Mutant, resealed

KIB: Final = 1 << 10
_VHDX_PLACES: Final = (
    (0, 16),
    (64 * KIB, 96),
    (128 * KIB, 96),
    (192 * KIB, 96),
    (256 * KIB, 96),
    (MIB, 3 * 4096),
    (2 * MIB - 3 * 4096, 3 * 4096),
    (2 * MIB, 32 * 8),
    (2 * MIB + 64 * KIB, 6 * 4096),
    (3 * MIB, 128),
    (3 * MIB + 4096 * 8 - 64, 128),
    (4 * MIB, 4096),
)
_VHD_PLACES: Final = (
    (0, 84),
    (512, 64),
    (512 + 576, 192),
    (1536, 128),
    (1536 + 512, 8 * KIB),
    (-512, 84),
)
_WORDS: Final = (0, 1, 2, 3, 5, 6, 7, 0xFF, 0xFFFF, 0xFFFF_FFFF, (1 << 63) - 1, (1 << 64) - 1)
Mutants = Mapping[str, Mutant]


def mutate(mutants: Mutants, kind: DiskFormat, random: Random) -> None:
    """Break one or several files of a chain in a few ways."""
    for _ in range(random.choice((1, 1, 1, 2, 3, 8))):
        name = random.choice(sorted(mutants))
        way = random.choice(_WAYS)
        way(mutants[name], kind, random)
    if random.random() < 0.1:
        _lie_about_parents(mutants, kind, random)
    if random.random() < 0.75:
        for mutant in mutants.values():
            resealed(mutant, kind)


def _place(mutant: Mutant, kind: DiskFormat, random: Random) -> int:
    if random.random() < 0.15:
        return random.randrange(max(1, mutant.size))
    start, length = random.choice(_VHD_PLACES if kind is DiskFormat.VHD else _VHDX_PLACES)
    return (start + random.randrange(length)) % max(1, mutant.size)


def _word(kind: DiskFormat, random: Random) -> bytes:
    number = random.choice(
        (random.choice(_WORDS), 1 << random.randrange(64), random.getrandbits(64))
    )
    order = "big" if kind is DiskFormat.VHD else "little"
    width = random.choice((2, 4, 4, 8, 8))
    return (number % (1 << 8 * width)).to_bytes(width, "big" if order == "big" else "little")


def _flip(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    at = _place(mutant, kind, random)
    mutant.poke(at, bytes([(mutant.part(at, at + 1)[0]) ^ (1 << random.randrange(8))]))


def _write_word(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    at = _place(mutant, kind, random)
    mutant.poke(at // 4 * 4 if random.random() < 0.8 else at, _word(kind, random))


def _write_noise(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    mutant.poke(_place(mutant, kind, random), random.randbytes(random.choice((3, 16, 64, 600))))


def _copy(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    """A structure where another one belongs."""
    length = random.choice((4, 8, 16, 32, 512, 4096))
    start = _place(mutant, kind, random)
    mutant.poke(_place(mutant, kind, random) // 4 * 4, mutant.part(start, start + length))


def _cut(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    del kind
    step = random.choice((1, 512, 4096, MIB))
    mutant.size = random.randrange(mutant.size + 1) // step * step


def _extend(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    """Longer by zeros, and a VHD with its footer at the new end, as else nothing is looked at."""
    more = random.choice((1, 511, 512, 4096, MIB, 1 << 30, 1 << 41, 1 << 46, 1 << 47))
    end = mutant.part(max(0, mutant.size - 512), mutant.size)
    mutant.size += more
    if kind is DiskFormat.VHD:
        mutant.poke(mutant.size - 512, end)


def _point(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    """An entry of the block table: to itself, out of the file, onto a structure, onto a block."""
    if kind is DiskFormat.VHD:
        sector = random.choice((0, 1, 3, 17, random.randrange(1 << 32), mutant.size // 512))
        mutant.poke(1536 + 4 * random.randrange(16), (sector % (1 << 32)).to_bytes(4, "big"))
        return
    mib = random.choice((0, 1, 2, 3, 4, 5, random.randrange(1 << 44), mutant.size // MIB))
    entry = mib << 20 | random.choice((0, 0, 1 << random.randrange(3, 20))) | random.randrange(8)
    index = random.choice((random.randrange(16), 4096, 2048, 8192, 32768))
    mutant.poke(3 * MIB + 8 * index, entry.to_bytes(8, "little"))


def _grow_disk(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    """A disk of another size, with a table said to be long enough, and perhaps a file so long."""
    if random.random() < 0.5:
        _extend(mutant, kind, random)
    size = random.choice((512, 4096, MIB, 1 << 34, 1 << 40, 1 << 41, 64 << 40, (64 << 40) + 512))
    if kind is DiskFormat.VHD:
        for at in (40, 48, mutant.size - 512 + 40, mutant.size - 512 + 48):
            mutant.poke(at, size.to_bytes(8, "big"))
        mutant.poke(512 + 28, random.choice((1 << 21, 1 << 25, (1 << 32) - 1)).to_bytes(4, "big"))
        return
    for item in range(6):
        if random.random() < 0.4:
            mutant.poke(2 * MIB + 64 * KIB + 4096 * item, size.to_bytes(8, "little"))
    for table in (192 * KIB, 256 * KIB):
        for length_of_region in (table + 16 + 24, table + 48 + 24):
            length = random.choice((1, 4, 512, 4095)) << 20
            mutant.poke(length_of_region, length.to_bytes(4, "little"))


def _nest_log(mutant: Mutant, kind: DiskFormat, random: Random) -> None:
    """Entries on every sector of the log, of any length: the worst that a scan can meet."""
    if kind is DiskFormat.VHD:
        return
    first = mutant.part(2 * MIB - 8192, 2 * MIB - 4096)
    guid = mutant.part(64 * KIB + 48, 64 * KIB + 64)
    length = random.choice((4096, 8192, 65_536, MIB))
    count = random.choice((0, 1, 100, length // 32 - 2, 0xFFFF_FFFF))
    for index in range(0, 256, random.choice((1, 2, 3, 16))):
        entry = bytearray(first)
        entry[:4] = b"loge"
        entry[8:12] = length.to_bytes(4, "little")
        entry[12:16] = (random.randrange(256) * 4096).to_bytes(4, "little")
        entry[16:24] = (index + 1).to_bytes(8, "little")
        entry[24:28] = count.to_bytes(4, "little")
        entry[32:48] = guid
        mutant.poke(MIB + 4096 * index, bytes(entry))


def _lie_about_parents(mutants: Mutants, kind: DiskFormat, random: Random) -> None:
    """Every file proves to be everybody's parent, and all name one: the chain has no end."""
    names: Sequence[str] = NAMES[kind]
    if names[-1] not in mutants:
        return
    leaf_guid = _linkage(mutants[names[-1]])
    to = random.choice(names)
    for mutant in mutants.values():
        if kind is DiskFormat.VHD:
            ids = {68: bytes(range(16)), 552: bytes(range(16)), mutant.size - 444: bytes(range(16))}
        else:
            ids = {64 * KIB + 32: leaf_guid, 128 * KIB + 32: leaf_guid}
        for at, new in ids.items():
            mutant.poke(at, new)
        for order in ("utf-16-le", "utf-16-be"):
            for told in names:
                _rename(mutant, told.split(".")[0].encode(order), to.split(".")[0].encode(order))


def _rename(mutant: Mutant, old: bytes, new: bytes) -> None:
    """Where both formats keep what they say of a parent."""
    for start, end in ((0, 64 * KIB), (2 * MIB + 64 * KIB, 2 * MIB + 128 * KIB)):
        area = mutant.part(start, min(end, mutant.size)) if start < mutant.size else b""
        at = area.find(old)
        while at >= 0:
            mutant.poke(start + at, new)
            at = area.find(old, at + len(old))


def _linkage(leaf: Mutant) -> bytes:
    """The GUID of the parent that the leaf demands, as bytes of a header."""
    area = leaf.part(2 * MIB, 2 * MIB + 128 * KIB)
    at = area.find("{".encode("utf-16-le"))
    text = area[at : at + 76].decode("utf-16-le", "replace").strip("{}").replace("-", "")
    try:
        raw = bytes.fromhex(text)
    except ValueError:
        return bytes(16)
    return raw[3::-1] + raw[5:3:-1] + raw[7:5:-1] + raw[8:16]


_WAYS: Final[Sequence[Callable[[Mutant, DiskFormat, Random], None]]] = (
    _flip,
    _flip,
    _write_word,
    _write_word,
    _write_word,
    _write_noise,
    _copy,
    _cut,
    _extend,
    _point,
    _point,
    _point,
    _grow_disk,
    _nest_log,
)
