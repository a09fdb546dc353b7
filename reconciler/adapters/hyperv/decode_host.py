"""The host itself, its cluster, volumes and events, from answers that keep the contract.

Computers are compared by name without regard to case, so names of nodes are in lower case here.
"""

from typing import Final

from reconciler.adapters.hyperv.decode import Answer, Decoder, number_of, objects_of, text_of
from reconciler.model.machine import ClusterFacts, HostEvent, HostFacts, HostVolume

BITLOCKER_ON: Final = "On"


def facts(decoder: Decoder, answer: Answer) -> HostFacts:
    """The host; its name here is the one in the policy, whatever it calls itself."""
    return HostFacts(
        name=decoder.host,
        os_build=number_of(answer, "OSBuild"),
        agent_version=text_of(answer, "AgentVersion"),
        contract_version=number_of(answer, "ContractVersion"),
        booted_at=decoder.time(answer, "LastBootUpTime"),
        computer_name=text_of(answer, "ComputerName").lower(),
        cluster=text_of(answer, "ClusterName"),
    )


def cluster(decoder: Decoder, answer: Answer) -> ClusterFacts:
    """The cluster that the host is a node of."""
    return ClusterFacts(
        name=text_of(answer, "Name"),
        node_states={
            text_of(node, "Name").lower(): text_of(node, "State")
            for node in objects_of(answer, "Nodes")
        },
        owners={
            decoder.vm_id(group): text_of(group, "OwnerNode").lower()
            for group in objects_of(answer, "Groups")
        },
        group_states={
            decoder.vm_id(group): text_of(group, "State") for group in objects_of(answer, "Groups")
        },
    )


def volume(decoder: Decoder, answer: Answer) -> HostVolume:
    """One volume."""
    size, free = number_of(answer, "Size"), number_of(answer, "SizeRemaining")
    if min(size, free) < 0:
        raise decoder.broken(f"a volume of {size} bytes with {free} bytes free")
    return HostVolume(
        path=text_of(answer, "Path"),
        size_bytes=size,
        free_bytes=free,
        is_cluster_shared=bool(answer["IsClusterShared"]),
        is_deduplicated=bool(answer["DedupEnabled"]),
        is_encrypted=text_of(answer, "ProtectionStatus") == BITLOCKER_ON,
    )


def event(decoder: Decoder, answer: Answer) -> HostEvent:
    """One event of the System log."""
    return HostEvent(
        record_id=number_of(answer, "RecordId"),
        provider=text_of(answer, "ProviderName"),
        id=number_of(answer, "Id"),
        at=decoder.time(answer, "TimeCreated"),
        node=text_of(answer, "Node").lower(),
    )
