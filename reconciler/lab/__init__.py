r"""Hyper-V hosts without Windows: servers on loopback that the real client talks to.

Why. Without it, nothing here could be shown to work on a machine that has no Hyper-V. The lab is
no fake behind a port: it sits at the other end of the real wire, serves byte ranges of real VHDX
files, and leaves parent chains, block tables and logs to the product.

How it is laid out. A lab folder holds one folder for each host, one for each cluster and file
server, and `clock.json`. A host's folder is all that the host knows: `state.json`, replaced as a
whole; `files/`, where C:\VMs\… lies; `shadow/`, a raw copy of every disk; `lock` and, while a
process serves it, `control.json`. A cluster's folder holds `cluster.json`, the disks and shadows of
its machines, and those that are on their way. A file server's is what \\SERVER\… stands for.

- `definition full_lab kinds images create`: what a new lab consists of, and how it is made
- `state book pace`: memory, the one lock, work that happens a little later
- `operations checkpoints saving tracking`: what a host does when asked
- `faults fault_door faulty_hosts`: what goes wrong: its kinds, on one host, in the whole lab
- `cluster node migration`: what nodes share, and how machines go from one to another
- `power nodes`: hosts that are lost, stopped and started, and what their logs say
- `disks`: virtual disks that are written to; each file is a layer: of a VHDX (`disk_layer` and its
  tables, blocks and log) or of a VHD (`vhd_layer`)
- `guests shadow`: what guests write, and the judge of it
- `agent describe served_files`: the answers to the agent's functions
- `host control properties volumes clock`: a host as a whole, and doors for who plays with it
- `file_server file_agent samba`: a file server, and the two ways to read what is on its shares
- `processes launch serve serve_files certificates`: who serves what, on which ports, and as whom
- `wire`: HTTP and HTTPS, WSMan and PowerShell remoting

Invariants.
1. A shadow is what its disk must hold. Code that writes shadows knows no VHDX.
2. Everything an operation does becomes true in one save. What a kill interrupts (a guest's write,
   a merge, an operation) is done again from its beginning at the next start, before any call.
3. A file that a checkpoint names does not change or move while the checkpoint exists.
4. Changed ranges are never less than what was written; they are more, and in no order.
5. The lab shows properties, as Hyper-V does. It knows none of the product's rules or their names.
6. Only virtual disk files of a host's machines are served, found by look-up and by no path walk.
7. A clustered machine is on the node that `cluster.json` names, and on no other: a move is one
   change of that document. The files of a machine are written by its owner only.

Decided against: a power cut (kill -9 is survived, a lost page cache is not), merges in the middle
of a stack (see `checkpoints`), and refusing reads of a file that a machine writes to.
"""
