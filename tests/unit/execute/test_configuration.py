"""What of a machine's configuration gets into its recovery point."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime

import pytest

from reconciler.blocks.configuration import configuration_of
from reconciler.errors import DiskUnreadableError, HostRefusedError, HostUnreachableError
from reconciler.execute.configuration import read_configuration
from reconciler.model.configuration import ConfigurationFile
from reconciler.model.machine import Checkpoint
from reconciler.model.names import CheckpointId, VmId

CHECKPOINT = Checkpoint(CheckpointId("c"), VmId("vm"), "ours", datetime(2026, 1, 1, tzinfo=UTC), ())


class Host:
    def __init__(self, files: Mapping[str, object]) -> None:
        self.files = files

    def configuration_files(self, *_: object) -> Sequence[ConfigurationFile]:
        if "refused" in self.files:
            raise HostRefusedError("no such function", hint="update the agent")
        return [
            ConfigurationFile(name, f"C:\\{name}", len(v) if isinstance(v, bytes) else v)  # type: ignore[arg-type]
            for name, v in self.files.items()
            if not isinstance(v, Exception)
        ] + [
            ConfigurationFile(name, f"C:\\{name}", 5)
            for name, v in self.files.items()
            if isinstance(v, Exception)
        ]

    def configuration_bytes(self, file: ConfigurationFile) -> bytes:
        held = self.files[file.name]
        if isinstance(held, Exception):
            raise held
        assert isinstance(held, bytes)
        return held


def read(files: Mapping[str, object]) -> tuple[Mapping[str, bytes], dict[str, str]]:
    found = read_configuration(Host(files), CHECKPOINT)  # type: ignore[arg-type]
    configuration = configuration_of(found.stored)
    assert configuration.left_out == found.left_out
    return configuration.files, {each.name: each.reason for each in found.left_out}


def test_small_files_are_held() -> None:
    assert read({"a.vmcx": b"1", "a.vmrs": b"22"}) == ({"a.vmcx": b"1", "a.vmrs": b"22"}, {})


@pytest.mark.parametrize(
    ("held", "why"),
    [
        (8 << 30, "more than 16 MiB"),
        (None, "no such file"),
        (DiskUnreadableError("it is gone", hint="look"), "it is gone"),
        (HostRefusedError("not allowed", hint="look"), "not allowed"),
    ],
)
def test_a_file_that_cannot_be_had_is_told_and_the_others_are_held(held: object, why: str) -> None:
    files, left_out = read({"a.vmcx": b"1", "a.vmrs": held})

    assert files == {"a.vmcx": b"1"}
    assert why in left_out["a.vmrs"]


def test_a_name_of_ours_is_not_given_away() -> None:
    files, left_out = read({"a.vmcx": b"1", "left-out.json": b"{}", "b.gz": b"3"})

    assert (sorted(files), sorted(left_out)) == (["a.vmcx"], ["b.gz", "left-out.json"])


def test_a_host_that_tells_nothing_is_told_of() -> None:
    assert read({"refused": b""})[1] == {"all of them": "no such function"}
    assert "no configuration files" in read({})[1]["all of them"]


def test_a_host_that_is_gone_ends_the_capture() -> None:
    with pytest.raises(HostUnreachableError):
        read({"a.vmcx": HostUnreachableError("gone", hint="look")})
