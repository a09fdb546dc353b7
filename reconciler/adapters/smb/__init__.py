"""Disks on an SMB server, read as a client of its share; and stores on shares.

`session` is one authenticated connection and its shares; `files` are ranges of files over it,
joined by `spans` and paced by `pace`; `errors` has what can go wrong, in our words. Sessions are
not shared between threads. A file is open only while a call runs: a handle that lasted would stand
in the way of a merge.

smbprotocol negotiates, logs in and connects to shares. Reading is done by an engine of our own,
because its objects for each message cost more than the server's work. `pumped` lets one thread use
the connection, `messages` are the bytes of the few requests, `sealing` signs or encrypts them,
`engine` keeps as many under way as window and credits allow.

Disks are encrypted where the server can, else signed; what is answered without that is not
believed. AES-GCM costs less than any signature but AES-GMAC. When a connection is lost, files go
on where they were, if the file is still the same.
"""
