"""RECORD: what was done, what is being done, and what was asked for.

One of the two places where truth lives; the other is the policy files. Everything here can be
rebuilt from the manifests in the repository, except the history of jobs and passes, and doubts.

Invariants
- Values in and out are frozen dataclasses; rows and SQL stay inside this package.
- A write is one transaction that holds SQLite's write lock from its first statement
  (`BEGIN IMMEDIATE`), so what it read cannot change before it writes. WAL with synchronous=FULL: a
  call that returned survives a power cut, a process killed in between leaves no trace.
- A data source has at most one live job (ready or running). A unique index holds it, not code.
- A running job is held by whoever claimed it last: each claim and each takeover raises its epoch,
  and every write on behalf of a job names the epoch it was given. A process that was frozen and
  thawed can therefore never overwrite its successor.
- A point, the head it becomes and the reference points change together or not at all, and
  committing the same point again changes nothing: healing rolls forward.
- A replica that is inconsistent becomes consistent only by a point that compared all of it, made
  by a job that began after the doubt.
- What each pass asks for costs what it returns: indexes on the few live jobs and open alerts, on
  age for what is old; failures in a row are counted as jobs end.
- Times are whole microseconds UTC. SQL is kept to what PostgreSQL understands too.

Decided against
- An ORM: there is nothing to lazily load, and identity maps do not mix with worker threads.
- A job queue beside the catalogue: rows with owner, epoch and beat are one, without a second truth.
- Foreign keys on job ids: history is pruned, and a rebuilt catalogue knows points but no jobs.
- A port for the database with a fake behind it: tests use SQLite itself.
"""
