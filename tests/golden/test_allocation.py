"""How disk allocation is shown, word by word."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from reconciler.model.machine import VirtualMachine
from reconciler.model.names import DataSourceId, PlanId, PoolName, VolumeId
from reconciler.model.observed import Observed, StoredGrowth, VolumeFacts, VolumeState
from reconciler.plan.allocation import VolumeAllocation, disk_allocation
from reconciler.plan.allocation_text import allocation_data, allocation_lines
from reconciler.plan.planner import Occasion, make_plan
from reconciler.policy.policy_set import PolicySet
from reconciler.policy.protection_group import ProtectionGroup
from reconciler.policy.storage import StoragePool

GOLDEN = Path(__file__).parent / "allocation"
GIB = 1 << 30
DAY = timedelta(days=1)
BUCKET = {"bucket": "off-site", "access_key": "env:ID", "secret_key": "env:SECRET"}
POOL = StoragePool.model_validate(
    {
        "schema": "reconciler/v1",
        "kind": "StoragePool",
        "name": "main",
        "volumes": [
            {"name": "main-1", "path": "/backup/1", "quota": "200GiB"},
            {"name": "main-2", "path": "/backup/2"},
            {"name": "off-site", "s3": BUCKET},
        ],
    }
)


@pytest.fixture
def found(
    make_vm: Callable[..., VirtualMachine],
    make_observed: Callable[..., Observed],
    make_group: Callable[..., ProtectionGroup],
    with_replica: Callable[..., Observed],
    noon: datetime,
) -> tuple[VolumeAllocation, ...]:
    main = PoolName("main")
    first = VolumeFacts(main, "main-1", VolumeId("volume-1"), "/backup/1")
    second = replace(first, name="main-2", id=VolumeId("volume-2"), place="/backup/2")
    cloud = VolumeFacts(main, "off-site", None, "s3://off-site", stored_bytes=None)
    sizes = {"total_bytes": 1000 * GIB, "free_bytes": 400 * GIB, "stored_bytes": 100 * GIB}
    lost = {"state": VolumeState.MISSING, "problem": "no such folder", "hint": "mount it"}
    growth = {
        DataSourceId("source-erp"): StoredGrowth(80 * GIB, 6 * GIB, noon - 3 * DAY, noon),
        DataSourceId("source-gone"): StoredGrowth(14 * GIB, 0, noon, noon),
    }
    volumes = (replace(first, **sizes), replace(second, **lost), cloud)  # type: ignore[arg-type]
    seen = make_observed(make_vm(), make_vm("new"), volumes=volumes, growth=growth)
    seen = with_replica(seen, make_vm())
    seen = with_replica(seen, make_vm("gone", "hv9"))
    members = [{"name": "erp"}, {"name": "new"}]
    wanted = PolicySet((make_group(members=members, volume="main-1"),), pools=(POOL,))
    plan = make_plan(wanted, seen, Occasion(PlanId("plan-1"), noon, "server"))
    return disk_allocation(wanted, seen, plan)


@pytest.mark.parametrize(
    ("name", "show"),
    [
        ("allocation.txt", lambda found: "\n".join(allocation_lines(found))),
        ("allocation.json", lambda found: json.dumps(allocation_data(found), indent=2)),
    ],
)
def test_disk_allocation_is_shown_word_by_word(
    found: tuple[VolumeAllocation, ...],
    name: str,
    show: Callable[[tuple[VolumeAllocation, ...]], str],
    pytestconfig: pytest.Config,
) -> None:
    shown = show(found) + "\n"
    if pytestconfig.getoption("--update-golden"):
        (GOLDEN / name).write_text(shown, encoding="utf-8")

    assert shown == (GOLDEN / name).read_text(encoding="utf-8")
