"""The block engine: bytes in, bytes out; the store is handed in.

A disk is cut into fixed aligned blocks. A block is known by the SHA-256 of its plain bytes, is
stored once, and lives in a slot of a pack; its address (pack number, slot) never changes. A
recovery point is a manifest that holds, for each disk, the root of a tree of addresses. FORMAT.md
has every byte of it, and the order in which things are written.

What holds at any moment, whatever is killed:

- An object under its name is whole: packs and manifests are put once and never changed, heads
  are replaced in one step.
- The manifest is the commit. What it names was durable before it was written, so a recovery point
  that can be seen can be read; what no manifest names is garbage.
- Nothing that is read is believed: documents and tables by their checksum and bounds, blocks and
  nodes by their hash or, sealed, by their tag. Wrong bytes are never returned; damage is an error
  that names pack and slot.
- A key is used for one pack, a nonce for one of its slots: nothing is ever sealed twice alike.
- No operation for a small change reads or writes in proportion to the disk, the number of
  recovery points or the repository. A change rewrites the leaves it touches and their ancestors;
  opening lists only folders of new packs; the index is mapped, not read.
- Pack numbers are never used twice, so an address never changes its meaning.
- The index is a cache. Its answers are guesses until the pack's table confirms the whole hash.

Who does what: `repository` opens, `draft` makes a recovery point, `replica` fills it from a
source, `sampling` doubts what the source calls unchanged, `volume` reads a point, `restore` writes
it out, `verify` doubts it, `heal` gives it back what it lost. Below them `tree` and `manifest` say
what a disk is, `block_writer` and `pack_reader` move blocks, `pack_tables` know where they are,
`pack`, `codec`, `keys` and `document` are the bytes, `index` and `numbers` serve writers, `objects`
is the store with our errors. `threads` spreads work, `late` loads what is slow to load only when it
is needed.

What nobody needs is deleted by `prune`: `counts` and `counted_points` tell what that is,
`condemned` keeps others from building on it, `open_drafts` tell who may have done so before, and
`rewrite` makes the next of a pack's `generations`.

A disk is read by one thread at a time, or by several where the source can be shared; each thread
then hashes, compresses, seals and stores what it has read in a pack of its own, and one more thread
makes full packs durable. Two packs may wait for that: who fills a third one waits too, so memory is
bounded whatever the disk.

Decided against:

- Delta chains of manifests. To open the newest point one reads the whole chain, to drop one folds
  its delta into the next, and the chain must be bounded by writing a full list again, which is in
  proportion to the disk: 8 GB for 64 TB. With a tree every point stands alone, dropping one is one
  delete, points share the nodes that did not change, and equal subtrees need no second look when
  points are verified or compared. The price is the way from leaf to root: for one changed block
  alone in its leaf, 0.3 % of it on a fresh disk, 3 % once a fifth of the leaf has been rewritten
  at random, 8 % when all of it has; the levels above are shared by many leaves.
- Content-defined chunks: a host cannot hash them by range, and a virtual disk moves nothing.
- Hashes instead of addresses in the tree: four times its size, and reading would need the index.
- A store of one file per block, or a database: millions of small writes, each synced.
"""
