"""Whether Hyper-V can tell what changed on a machine's disks."""

from reconciler.model.machine import DiskFormat, HostFacts, VirtualMachine

SERVER_2016 = 14_393
"""Source: hyperv-facts.md §1.10; resilient change tracking came with this build."""
MINIMUM_VERSION = (6, 2)
"""Configuration version; Microsoft says only 'not 5.0', vendors say 6.2."""


def is_tracked(facts: HostFacts, machine: VirtualMachine) -> bool:
    """Whether reference points can be made of this machine on this host."""
    return (
        facts.os_build >= SERVER_2016
        and has_production_version(machine)
        and all(disk.geometry.format is DiskFormat.VHDX for disk in machine.disks)
    )


def has_production_version(machine: VirtualMachine) -> bool:
    """Whether its configuration version knows production checkpoints and change tracking."""
    return _version(machine.configuration_version) >= MINIMUM_VERSION


_LONGEST_VERSION = 32


def _version(text: str) -> tuple[int, ...]:
    """Of a text that is no version, as of an older host, the oldest there is."""
    parts = text.split(".")
    is_version = len(text) <= _LONGEST_VERSION and all(p.isdecimal() for p in parts)
    return tuple(int(p) for p in parts) if is_version else (0,)
