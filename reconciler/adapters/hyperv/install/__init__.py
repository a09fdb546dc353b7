"""Installing the agent on a host, as its administrator, over the end point that Windows has.

What is wanted (files with their hashes, a registered end point) is compared with what the host
tells, and the difference is a list of steps, each of which may be done twice. Nothing on the host
is changed in place: files are written beside and moved, and the new version lies beside the old
one. Sessions get the newest, so an old one comes back when the new one is withdrawn.

    files          what a host is to have, made of the module and of the agent's contract
    deeds          what is done on the host, as a table; beside it the scripts, one file each
    administrator  a session that runs them: constant texts, with parameters
    steps          seen and wanted → steps
    installer      does the steps, restarts WinRM, verifies, puts back what did not verify
    verify         what is wrong with a host's agent, asked as the reconciler asks it

Not run here: registration, the restart of WinRM and virtual accounts are Windows', and the lab
stands in for them.

Decided against: text pasted into commands, a second hop, CredSSP, credentials that are stored.
"""
