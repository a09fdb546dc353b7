"""What is wanted: the text that operators write, turned into frozen models.

Why it exists: a policy file is the only place where a promise is made, and it is written by hand,
often in a hurry. So whatever is wrong with it is said at once, all of it, with file, line, column,
the line itself and what would be right; and nothing is guessed.

Invariants:

* Pure. Text and bytes come in, values go out; no file, clock or logger. `parse_set` never raises
  for anything that a file may hold.
* Bounded. YAML is read from parser events with a stack of our own: no recursion, a limit on
  bytes, depth, aliases and on values once aliases are counted. Tags, merge keys and duplicate keys
  are refused. No composer or loader of the YAML library ever runs.
* Strict. YAML 1.2 core schema, no unknown keys, no text where a number belongs, no empty values.
  A duration, a time of day and a name each have one spelling.
* Whole. A `PolicySet` never names a host, cluster or pool that it does not hold. A broken file
  leaves its last good version in force (`stand_ins`); where there is none the set says so
  (`holes`), because the machines that the file might have claimed must be held, not forgotten. An
  empty set is an error, never "nothing to protect".
* A schedule names days, never instants: which instants they are is `plan/due.py`'s to say.
* A secret is a reference (`env:NAME`, `file:path`). A literal one is refused, and no complaint
  repeats it, not even in the line that it shows.

To add a kind: a subclass of `PolicyModel` in its own module, one entry in `policy_set.KINDS`,
what it names in `conflicts.py`, and `reconciler schema`.

Decided against:

* The YAML library's own loaders: they recurse (40 kB of `[` ends the process), know positions only
  in the mode that is twenty times slower, and expand aliases without limit.
* Positions always: they cost as much as the parsing, so a second pass makes them, only for a file
  that has a complaint.
* A discriminated union validated in one go: the header is looked at first, so a wrong `kind` is one
  complaint and not a list of them.
* DPM's bounds as walls: what is merely unusual is a warning.
"""
