"""A real PowerShell behind the lab's front end: the agent's module runs, Windows is stood in for.

Why: the PowerShell that hosts will run is executed on the way that it will be called, by a real
engine under the restrictions of JEA, and not only read. From the wire inwards:

    engine     fragments to and from one `pwsh -s` process for each shell
    session    where PowerShell is, and the session configuration made from the agent's contract
    stand_ins  the commands of Hyper-V, FailoverClusters and others, under their real names
    bare       hosts that the agent is yet to be installed on, by their administrator
    door       what the stand-ins ask the lab: looks at its state, and deeds

Invariants. The module is the one that hosts install, unchanged but for the functions that its
README lists. A stand-in has the names of the facts and refuses any other; it answers with what the
lab's state says, and decides nothing. Texts for people come in another language now and then.

Decided against: PowerShell in this process, and stand-ins for whole functions of the agent.
"""
