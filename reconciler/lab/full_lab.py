r"""The wide lab: every kind of host and machine that the product must know.

Most disks are small, and machines share images, so that backing all of it up is cheap.
"""

from reconciler.lab.definition import (
    FIN_SQL01,
    WEB_01,
    ClusterDefinition,
    DiskDefinition,
    HostDefinition,
    LabDefinition,
    MachineDefinition,
    VolumeDefinition,
)
from reconciler.model.machine import ControllerSlot

WINDOWS = "Windows Server 2022 Standard"
LINUX = "Ubuntu"
CSV1 = "C:\\ClusterStorage\\Volume1\\"
CSV2 = "C:\\ClusterStorage\\Volume2\\"
DEDUP_DRIVE = "E:\\"
FILE_SERVER = "files1"
SERVER_2019 = 17_763
SERVER_2012_R2 = 9_600


def small_disk(path: str, number: int, image: str = "tiny-windows") -> DiskDefinition:
    """A small disk; `number` tells it from all others of the lab."""
    return DiskDefinition(
        image=image,
        path=path,
        virtual_disk_id=f"a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f{number:04x}",
        slot=ControllerSlot("SCSI", 0, 0),
    )


ERP_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0101",
    name="erp-01",
    guest_os=WINDOWS,
    disks=(small_disk("C:\\VMs\\erp-01\\erp-01.vhdx", 0x101),),
    replication_mode="Primary",
    notes="labels: tier=gold",
)
ERP_01_REPLICA = MachineDefinition(
    vm_id=ERP_01.vm_id,
    name="erp-01",
    label="erp-01-replica",
    guest_os="",
    disks=(small_disk("D:\\Replica\\erp-01\\erp-01.vhdx", 0x101),),
    configuration_version="9.0",
    state="Off",
    replication_mode="Replica",
    vss_status="NoContact",
)
"""Hyper-V Replica's copy: the same machine id, the same virtual disk id."""
OLD_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0102",
    name="old-01",
    guest_os="",
    disks=(small_disk("C:\\VMs\\old-01\\old-01.vhdx", 0x102),),
    vss_status="NoContact",
)
"""A guest without usable integration services."""
DEV_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0103",
    name="dev-01",
    guest_os=WINDOWS,
    disks=(small_disk("C:\\VMs\\dev-01\\dev-01.vhdx", 0x103),),
    has_user_checkpoint=True,
)
RAW_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0104",
    name="raw-01",
    guest_os=WINDOWS,
    disks=(
        small_disk("C:\\VMs\\raw-01\\raw-01.vhdx", 0x104),
        DiskDefinition(
            image="",
            path="",
            virtual_disk_id="",
            slot=ControllerSlot("SCSI", 0, 1),
            disk_number=3,
        ),
    ),
)
"""A machine with a pass-through disk."""
VHD_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0105",
    name="vhd-01",
    guest_os=WINDOWS,
    disks=(
        DiskDefinition(
            image="tiny-windows",
            path="C:\\VMs\\vhd-01\\vhd-01.vhd",
            virtual_disk_id="a7c2e9d4-51b3-4f60-8e1d-2c9b7a6f0105",
            slot=ControllerSlot("IDE", 0, 0),
            format="VHD",
        ),
    ),
    generation=1,
)
"""A disk of the older format, which has no change tracking."""
ARC_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0201",
    name="arc-01",
    guest_os=LINUX,
    disks=(small_disk(f"{DEDUP_DRIVE}VMs\\arc-01\\arc-01.vhdx", 0x201, "tiny-linux"),),
    configuration_version="9.0",
    notes="labels: tier=bronze",
)
"""On a deduplicated volume."""
SMB_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0202",
    name="smb-01",
    guest_os=WINDOWS,
    disks=(small_disk(f"\\\\{FILE_SERVER}\\vms\\smb-01\\smb-01.vhdx", 0x202),),
    configuration_version="9.0",
)
"""On a file server."""
OFF_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0203",
    name="off-01",
    guest_os="",
    disks=(small_disk("D:\\Hyper-V\\off-01\\off-01.vhdx", 0x203),),
    configuration_version="9.0",
    state="Off",
    vss_status="NoContact",
)
R2_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0301",
    name="r2-01",
    guest_os="Windows Server 2012 R2 Standard",
    disks=(small_disk("C:\\VMs\\r2-01\\r2-01.vhdx", 0x301),),
    configuration_version="5.0",
)
"""On a host without change tracking."""
APP_01 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0401",
    name="app-01",
    guest_os=WINDOWS,
    disks=(small_disk(f"{CSV1}app-01\\app-01.vhdx", 0x401),),
    notes="labels: tier=gold",
)
APP_02 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0402",
    name="app-02",
    guest_os=LINUX,
    disks=(small_disk(f"{CSV1}app-02\\app-02.vhdx", 0x402, "tiny-linux"),),
)
APP_03 = MachineDefinition(
    vm_id="3b9d2c10-7e44-4f0a-9a51-c08d6e5f0403",
    name="app-03",
    guest_os=WINDOWS,
    disks=(small_disk(f"{CSV2}app-03\\app-03.vhdx", 0x403),),
)

CLUSTER_LAB = LabDefinition(
    hosts=(
        HostDefinition("hvc1", (APP_01, APP_02), cluster="hvcluster"),
        HostDefinition("hvc2", (APP_03,), cluster="hvcluster"),
    ),
    clusters=(ClusterDefinition("hvcluster", (VolumeDefinition(CSV1), VolumeDefinition(CSV2))),),
)
"""Two nodes that share two volumes, and nothing else."""

FULL_LAB = LabDefinition(
    hosts=(
        HostDefinition("hv1", (FIN_SQL01, ERP_01, OLD_01, DEV_01, RAW_01, VHD_01)),
        HostDefinition(
            "hv2",
            (WEB_01, ERP_01_REPLICA, ARC_01, SMB_01, OFF_01),
            os_build=SERVER_2019,
            volumes=(VolumeDefinition(DEDUP_DRIVE, is_deduplicated=True),),
        ),
        HostDefinition("hv3", (R2_01,), os_build=SERVER_2012_R2),
        *CLUSTER_LAB.hosts,
    ),
    clusters=CLUSTER_LAB.clusters,
    file_servers=(FILE_SERVER,),
)
"""The lab of `reconciler lab up --of full`."""
