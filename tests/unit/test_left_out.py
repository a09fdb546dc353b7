"""The words about what a recovery point left out: of a page file, of a whole disk, of several."""

from reconciler.cli.left_out import Told, left_out_data, left_out_lines
from reconciler.model.protection import LeftOut

KIB, MIB = 1 << 10, 1 << 20
PAGING = "pagefile.sys"
DISK = "disk of page files (*_pagefile.vhd*), as it was at 2026-11-24T18:00:03Z"


def test_a_point_that_is_whole_says_nothing() -> None:
    assert list(left_out_lines({})) == []
    assert left_out_data({}) == []


def test_the_ranges_of_a_disk_are_one_line_that_counts_their_bytes() -> None:
    parts = [LeftOut(0, 64 * KIB, PAGING), LeftOut(MIB, MIB + 32 * KIB, PAGING)]

    assert list(left_out_lines({"SCSI 0:0": parts})) == [
        "left out of SCSI 0:0: 96.0 KiB of pagefile.sys; older bytes are in their place"
    ]


def test_each_page_file_of_a_disk_is_named_once() -> None:
    parts = [
        LeftOut(0, 4 * KIB, "swapfile.sys"),
        LeftOut(8 * KIB, 12 * KIB, PAGING),
        LeftOut(16 * KIB, 20 * KIB, "swapfile.sys"),
    ]

    assert list(left_out_lines({"SCSI 0:0": parts})) == [
        (
            "left out of SCSI 0:0: 12.0 KiB of pagefile.sys, swapfile.sys; "
            "older bytes are in their place"
        )
    ]


def test_a_whole_disk_says_by_which_pattern_and_since_when_its_bytes_are_old() -> None:
    assert list(left_out_lines({"SCSI 0:1": [LeftOut(0, 8 << 30, DISK)]})) == [
        (
            "left out of SCSI 0:1: 8.0 GiB of disk of page files (*_pagefile.vhd*), "
            "as it was at 2026-11-24T18:00:03Z; older bytes are in their place"
        )
    ]


def test_disks_stand_in_the_order_of_their_slots() -> None:
    told: Told = {"SCSI 0:1": [LeftOut(0, 512, DISK)], "SCSI 0:0": [LeftOut(0, 1, PAGING)]}

    lines = list(left_out_lines(told))

    assert [line.split(":", 2)[:2] for line in lines] == [
        ["left out of SCSI 0", "0"],
        ["left out of SCSI 0", "1"],
    ]
    assert "1 bytes of pagefile.sys" in lines[0]


def test_a_program_is_told_every_range() -> None:
    told: Told = {
        "SCSI 0:1": [LeftOut(0, 512, DISK)],
        "SCSI 0:0": [LeftOut(0, 64, PAGING), LeftOut(128, 192, "swapfile.sys")],
    }

    assert left_out_data(told) == [
        {"disk": "SCSI 0:0", "start": 0, "end": 64, "reason": PAGING},
        {"disk": "SCSI 0:0", "start": 128, "end": 192, "reason": "swapfile.sys"},
        {"disk": "SCSI 0:1", "start": 0, "end": 512, "reason": DISK},
    ]
