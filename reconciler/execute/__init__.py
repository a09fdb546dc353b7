"""EXECUTE: one verb, one file, one public function.

Order of commits. Every backup goes through the boundaries of `boundaries.Boundary`, in this order:

    intent row → [machine saved →] checkpoint → [machine runs on →] packs synced
    → manifest sealed → reference point → head → catalogue → old reference point removed

What it rests on: a reference point is never newer than the manifest it is used with; an older one
is safe, because it names a superset of what changed. So a job that died before its manifest was
sealed is undone (its checkpoint is removed, its packs are garbage for the sweep), and one that died
afterwards is finished: `conclude.conclude` carries out the rest and may be repeated at will.
The intent row, written first, says what the job was about to make; that, and not a guess, is what
makes something on a host ours.

A machine that is saved for its checkpoint runs on at once. Its intent says that it may be saved
until it is known to run again; a job that ends before that stays live, and its heir lets the
machine run on before anything else.

Deleting goes the other way: head → manifests → catalogue → packs that nobody refers to. A point
that the catalogue still knows when its manifest is gone is deleted again, which changes nothing.

Decided against: undoing a sealed manifest. It is a whole recovery point, and a person at 3 a.m.
would rather have it.
"""
