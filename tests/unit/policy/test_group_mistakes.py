"""What is said about a group, place and words; the hints are in tests/golden."""

import pytest

from reconciler.policy.complaints import Severity
from reconciler.policy.parse import parse_file

HEAD = """\
schema: reconciler/v1
kind: ProtectionGroup
name: finance
pool: main
zone: Europe/Berlin
retention: 30d
"""
MEMBERS = "members: [{name: x}]\n"
POINTS = 'recovery_points: {times: ["08:00"]}\n'


def said(tail: str) -> list[str]:
    """Place and words about a group; what it lacks is added, so that nothing is missing."""
    text = HEAD + tail
    text += "" if "\nmembers:" in text else MEMBERS
    text += "" if "\nrecovery_points:" in text else POINTS
    found = parse_file("p.yaml", text.encode()).complaints
    kinds = {Severity.ERROR: "", Severity.WARNING: "warning: "}
    return [f"{c.line}:{c.column} {kinds[c.severity]}{c.where}: {c.text}" for c in found]


def points(keys: str) -> str:
    return f'recovery_points: {{times: ["08:00"], {keys}}}\n'


@pytest.mark.parametrize(
    ("keys", "complaint"),
    [
        (
            "weekdays: [mon], days_of_month: [1]",
            (
                "7:54 recovery_points.days_of_month: days_of_month and weekdays cannot stand in "
                "one schedule"
            ),
        ),
        (
            "weekdays: [Monday]",
            "7:48 recovery_points.weekdays[0]: expected a weekday from mon to sun, got 'Monday'",
        ),
        (
            "weekdays: [mon-fri]",
            "7:48 recovery_points.weekdays[0]: expected a weekday from mon to sun, got 'mon-fri'",
        ),
        (
            "weekdays: [1]",
            "7:48 recovery_points.weekdays[0]: expected a weekday from mon to sun, got 1",
        ),
        (
            "weekdays: mon",
            "7:47 recovery_points.weekdays: expected a list, got 'mon'",
        ),
        (
            "weekdays: []",
            "7:47 recovery_points.weekdays: the list is empty",
        ),
        (
            "weekdays: null",
            "7:47 recovery_points.weekdays: expected a value, got nothing",
        ),
        (
            "weekdays: [mon, tue, mon]",
            "7:58 recovery_points.weekdays[2]: mon is there twice",
        ),
        (
            "months: [january]",
            "7:46 recovery_points.months[0]: expected a month from jan to dec, got 'january'",
        ),
        (
            "months: [jan, jan]",
            "7:51 recovery_points.months[1]: jan is there twice",
        ),
        (
            "days_of_month: [0]",
            "7:53 recovery_points.days_of_month[0]: expected a day from 1 to 31 or last, got 0",
        ),
        (
            "days_of_month: [32]",
            "7:53 recovery_points.days_of_month[0]: expected a day from 1 to 31 or last, got 32",
        ),
        (
            "days_of_month: ['1']",
            "7:53 recovery_points.days_of_month[0]: expected a day from 1 to 31 or last, got '1'",
        ),
        (
            "days_of_month: [true]",
            "7:53 recovery_points.days_of_month[0]: expected a day from 1 to 31 or last, got true",
        ),
        (
            "days_of_month: [last, 1, last]",
            "7:62 recovery_points.days_of_month[2]: last is there twice",
        ),
        (
            "days_of_month: [31]",
            (
                "7:53 warning: recovery_points.days_of_month[0]: a month without day 31 uses its "
                "last day"
            ),
        ),
        (
            "days_of_month: [29], months: [feb]",
            (
                "7:53 warning: recovery_points.days_of_month[0]: a month without day 29 uses its "
                "last day"
            ),
        ),
        (
            "day_of_month: [1]",
            "7:37 recovery_points.day_of_month: unknown key 'day_of_month'",
        ),
    ],
)
def test_each_mistake_of_a_schedule_is_named(keys: str, complaint: str) -> None:
    assert said(points(keys)) == [complaint]


@pytest.mark.parametrize(
    "keys",
    [
        "days_of_month: [1, 28, last]",
        "days_of_month: [30], months: [jan, apr, dec]",
        "days_of_month: [31], months: [jan, mar, may, jul, aug, oct, dec]",
        "weekdays: [sat, sun], months: [feb]",
    ],
)
def test_days_that_each_of_the_months_has_need_no_remark(keys: str) -> None:
    assert said(points(keys)) == []


@pytest.mark.parametrize(
    ("tail", "complaint"),
    [
        (
            "exclude: [{name: y}]\n",
            "7:11 exclude[0]: key 'reason' is missing",
        ),
        (
            "exclude: [{reason: because}]\n",
            (
                "7:11 exclude[0]: an exclusion needs at least one of: host, cluster, name, id, "
                "role, labels"
            ),
        ),
        (
            "exclusions: [{name: y, reason: z}]\n",
            "7:1 exclusions: unknown key 'exclusions'",
        ),
        (
            "members: [{name: y}, {name: x}, {name: y}]\n",
            "7:33 members[2]: the same is there twice",
        ),
        (
            "members: [{role: replicas}]\n",
            (
                "7:18 members[0].role: expected 'primary', 'replica', 'extended_replica' or "
                "'test_replica', got 'replicas'"
            ),
        ),
        (
            "members: [{labels: {}}]\n",
            "7:20 members[0].labels: the mapping is empty",
        ),
        (
            "members: [{labels: tier=gold}]\n",
            "7:20 members[0].labels: expected a mapping, got 'tier=gold'",
        ),
        (
            "members: [{labels: {tier: 1}}]\n",
            "7:27 members[0].labels.tier: expected text, got 1",
        ),
        (
            "members: [{labels: {tier: very gold}}]\n",
            "7:20 members[0].labels: a label is one word without comma or =, got 'very gold'",
        ),
        (
            "keep_at_least: 0\n",
            "7:16 keep_at_least: has to be greater than or equal to 1; got 0",
        ),
        (
            "keep_at_least: 10001\n",
            "7:16 keep_at_least: has to be less than or equal to 10000; got 10001",
        ),
        (
            "keep_at_least: 449\n",
            "7:16 warning: keep_at_least: 449 is more recovery points than DPM allows: 448",
        ),
        (
            "synchronization: just before recovery points\n",
            (
                "7:18 synchronization: expected a duration or just_before_recovery_points, got "
                "'just before recovery points'"
            ),
        ),
        (
            "synchronization: often\n",
            "7:18 synchronization: expected a duration such as 15m, 36h or 30d, got 'often'",
        ),
        (
            "consistency: {otherwise: pause}\n",
            "7:26 consistency.otherwise: expected 'saved_state', 'crash' or 'refuse', got 'pause'",
        ),
        (
            "consistency: {ask_guest: false, otherwise: crash}\n",
            (
                "7:44 warning: consistency.otherwise: has no effect with 'ask_guest: false': "
                "every capture is as after a power cut"
            ),
        ),
        (
            "consistency: crash\n",
            "7:14 consistency: expected a mapping, got 'crash'",
        ),
        (
            "consistency_check: {when_inconsistent: yes}\n",
            "7:40 consistency_check.when_inconsistent: expected true or false, got 'yes'",
        ),
        (
            'consistency_check: {schedule: {times: ["03:00", "03:00"]}}\n',
            "7:49 consistency_check.schedule.times[1]: 03:00 is there twice",
        ),
        (
            'consistency_check: {schedule: {times: ["03:00"], months: [jan]}}\n',
            "7:50 consistency_check.schedule.months: unknown key 'months'",
        ),
        (
            'initial_replication: {quiet_time: {start: "22:00", end: "22:00"}}\n',
            (
                "7:57 initial_replication.quiet_time.end: the quiet time ends when it starts, so "
                "it is never"
            ),
        ),
        (
            'initial_replication: {quiet_time: {start: "22:00"}}\n',
            "7:35 initial_replication.quiet_time: key 'end' is missing",
        ),
        (
            "initial_replication: {}\n",
            "7:22 initial_replication: it says neither a quiet_time nor 'method: manual'",
        ),
        (
            'initial_replication: {method: manual, quiet_time: {start: "22:00", end: "06:00"}}\n',
            (
                "7:51 initial_replication.quiet_time: a manual replica is imported when a person "
                "says so, not at a quiet time"
            ),
        ),
        (
            "initial_replication: {method: by hand}\n",
            "7:31 initial_replication.method: expected 'automatic' or 'manual', got 'by hand'",
        ),
        (
            "page_files: false\n",
            "7:13 page_files: expected a mapping, got false",
        ),
        (
            "page_files: {leave_out: no}\n",
            "7:25 page_files.leave_out: expected true or false, got 'no'",
        ),
        (
            "page_files: {leave_out: 0}\n",
            "7:25 page_files.leave_out: expected true or false, got 0",
        ),
        (
            "page_files: {leaves_out: true}\n",
            "7:14 page_files.leaves_out: unknown key 'leaves_out'",
        ),
        (
            "page_files: {disks: '*_pagefile.vhd*'}\n",
            "7:21 page_files.disks: expected a list, got '*_pagefile.vhd*'",
        ),
        (
            "page_files: {disks: []}\n",
            "7:21 page_files.disks: the list is empty",
        ),
        (
            "page_files: {disks: ['a*', 1]}\n",
            "7:28 page_files.disks[1]: expected text, got 1",
        ),
        (
            "page_files: {disks: [' ']}\n",
            "7:22 page_files.disks[0]: expected text, got nothing but blanks",
        ),
        *(
            (
                f"page_files: {{disks: ['{pattern}']}}\n",
                f"7:22 page_files.disks[0]: '{pattern}' would leave out every disk",
            )
            for pattern in ("*", "**", "?*", "*.vhdx", "*.VHD*", "*.avhd?", "*_*.vhd*")
        ),
        *(
            (
                f"page_files: {{disks: ['{pattern}']}}\n",
                f"7:22 page_files.disks[0]: expected a pattern of file names, got '{pattern}'",
            )
            for pattern in ("D:\\VMs\\*_pagefile.vhd*", "paging/*")
        ),
        (
            "page_files: {disks: ['*_page.vhdx', '*_p.vhdx', '*_page.vhdx']}\n",
            "7:49 page_files.disks[2]: *_page.vhdx is there twice",
        ),
        (
            "page_files: {leave_out: false, disks: ['*_page.vhdx']}\n",
            (
                "7:39 warning: page_files.disks: has no effect with 'leave_out: false': "
                "everything is copied"
            ),
        ),
        (
            "online: true\n",
            "7:9 online: expected a mapping, got true",
        ),
        (
            "online: {enable: true}\n",
            "7:10 online.enable: unknown key 'enable'",
        ),
    ],
)
def test_each_mistake_of_a_group_is_named(tail: str, complaint: str) -> None:
    assert said(tail) == [complaint]


def test_patterns_of_disks_of_page_files_need_no_remark() -> None:
    assert said("page_files: {disks: ['*_pagefile.vhd*', 'sql0?-paging[1].vhdx', 'p*']}\n") == []


def test_online_protection_is_accepted_though_it_is_not_there_yet() -> None:
    assert said("online: {enabled: true}\n") == []
