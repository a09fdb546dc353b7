"""Hyper-V hosts over PowerShell remoting: control, and disk bytes where there is no faster way.

`session` speaks PSRP and knows no Hyper-V; `decode` checks every answer against the agent's
contract, because answers are foreign input, and `decode_host` and `decode_machine` make models of
them; `looks` asks what there is, `client` turns it all into the port `HostSession`. Commands and
parameters only: the end point runs no script of ours. `server_files` reads disks from the agent of
a file server.

PSRP carries about ten to fifteen MiB/s, so reads are batched to the contract's bound and only what
is needed travels.
"""
