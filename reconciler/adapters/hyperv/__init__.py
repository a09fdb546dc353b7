"""Hyper-V hosts over PowerShell remoting: control, and disk bytes where there is no faster way.

`session` speaks PSRP and knows no Hyper-V; `decode` checks every answer against the agent's
contract, because answers are foreign input; `client` turns contract functions into the port
`HostSession`. Commands and parameters only: the end point runs no script of ours.

PSRP carries about ten to fifteen MiB/s, so reads are batched to the contract's bound and only what
is needed travels.
"""
