"""Disks on an SMB file server, read as a client of its share.

`session` is one authenticated connection and its shares; `files` are ranges of files over it, with
several requests under way; `errors` has what can go wrong, in our words. Signed always, encrypted
where the server wants it. Sessions are not shared between threads.

A file is open only while a call runs: a handle that lasted would stand in the way of a merge.
"""
