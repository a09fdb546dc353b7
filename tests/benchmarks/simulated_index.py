"""The index of a repository that holds far more than any machine of ours: only what looks matter.

Knows the files of `reconciler.blocks.index`. A run of so many evenly scattered keys is put before
what is there; no block is ever found in it.
"""

import hashlib
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from reconciler.blocks.index_run import Run, write_run

CHUNK = 4 << 20


def add_run(cache: Path, entries: int) -> Path:
    """Add a run to the only index in a cache folder; its file."""
    (listing_file,) = cache.rglob("index.json")
    run = listing_file.with_name("0000000000000000.run")
    with run.open("wb", buffering=0) as file:
        write_run(file, lambda: parts(entries))
    listing = json.loads(listing_file.read_bytes().splitlines()[0])
    listing["files"].insert(0, {"name": run.name, "entries": entries})
    line = json.dumps(listing, sort_keys=True, separators=(",", ":")).encode()
    # Not written into: copies of the folder share its files.
    listing_file.unlink()
    listing_file.write_bytes(b"%b\n%b\n" % (line, hashlib.sha256(line).hexdigest().encode()))
    return run


def parts(entries: int) -> Iterator[Run]:
    """Keys as hashes are spread, ascending as each lies somewhere in a step of its own."""
    random = np.random.default_rng(7)
    step = (2**64 - 1) // entries
    for start in range(0, entries, CHUNK):
        count = min(CHUNK, entries - start)
        grid = np.arange(start, start + count, dtype=np.uint64) * np.uint64(step)
        keys = grid + random.integers(step, size=count, dtype=np.uint64)
        yield Run(keys, np.zeros(count, np.uint64))
