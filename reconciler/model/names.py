"""Ids as types, so that one cannot be passed for another."""

from typing import NewType

HostName = NewType("HostName", str)
GroupName = NewType("GroupName", str)
PoolName = NewType("PoolName", str)
VolumeId = NewType("VolumeId", str)

VmId = NewType("VmId", str)
"""Hyper-V's id of a virtual machine: a lower-case GUID without braces."""

CheckpointId = NewType("CheckpointId", str)
ReferencePointId = NewType("ReferencePointId", str)
"""`InstanceID` of an Msvm_VirtualSystemReferencePoint, an opaque text."""

RctId = NewType("RctId", str)
RequestId = NewType("RequestId", str)

ServerId = NewType("ServerId", str)
"""This reconciler's own id; it marks what we make on a host."""

DataSourceId = NewType("DataSourceId", str)
DiskId = NewType("DiskId", str)
RecoveryPointId = NewType("RecoveryPointId", str)
JobId = NewType("JobId", str)
PlanId = NewType("PlanId", str)
