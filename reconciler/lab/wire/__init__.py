"""The lab's end of the wire: WSMan over HTTP, and PSRP in it, as a Hyper-V host answers them.

Why: the client that talks to hosts in production is tested against a server, not against a fake of
itself. From the socket inwards:

    host      one WinRM service: users, configurations, ports
    http      bytes to requests; one thread a connection, because Negotiate belongs to a connection
    tls       the certificates of host and clients
    auth      who is it, and the encryption of message bodies
    disturbances  what goes wrong on the way: silence, resets, logins that are refused
    soap      envelopes and faults
    wsman     the actions of a shell: Create, Command, Send, Receive, Signal, Delete and their kin
    shells    what waits to be received; shell_table: who owns which, and until when
    engine    the seam: from here on only PSRP fragments
    psrp      an engine in Python: pipelines, records, states; psrp_pool: what psrpcore lacks
    binder    parameters bound as PowerShell binds them, by the agent's contract
    values    answers of a function as the objects that PowerShell would send
    body      the seam to whatever plays the host

Invariants. Everything read is bounded before it is believed: headers, bodies, envelopes, ids, the
bytes of a command; markup declarations are refused. Output of one command keeps its order. A
Receive that is repeated with the same message id is answered the same. The shells never call an
engine while they hold their lock, so an engine may call back from any thread.

Decided against: an HTTP framework, which hides the connection; a patch of psrpcore, whose linear
fragments come from a subclass instead; the environment as the place of users, which pyspnego
forces, is held only while a handshake step runs.

A later guest at the seam: a real `pwsh -s` (another `EngineFactory`).
"""
