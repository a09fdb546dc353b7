"""Volumes that are no folder: what may be written, and what they are called."""

import pytest

from reconciler.policy.parse import parse_file
from reconciler.policy.storage import StoragePool

POOL = "schema: reconciler/v1\nkind: StoragePool\nname: main\nvolumes:\n"
SMB = "smb: {server: nas1, share: backup$, user: u, password: 'env:P'}"
AZURE = "azure: {account: example, container: hyper-v, key: 'env:K'}"
S3 = "s3: {bucket: example, access_key: 'env:A', secret_key: 'env:S'}"


def volumes(*lines: str) -> bytes:
    return (
        POOL + "".join(f"  - {{name: v{n}, {line}}}\n" for n, line in enumerate(lines))
    ).encode()


def places(*lines: str) -> list[str]:
    (pool,) = parse_file("p.yaml", volumes(*lines)).documents
    assert isinstance(pool, StoragePool)
    return [volume.place for volume in pool.volumes]


def said(*lines: str) -> list[str]:
    found = parse_file("p.yaml", volumes(*lines)).complaints
    return [f"{c.where}: {c.text}" for c in found]


def test_a_place_is_shown_without_its_secrets() -> None:
    shown = places(
        "path: /backup/",
        SMB,
        "smb: {server: NAS1, share: Other, folder: '\\Hyper-V\\main\\', port: 4445}",
        AZURE,
        "azure: {account: example, container: hyper-v, prefix: a/b/, sas: 'env:S'}",
        "azure: {account: dev, container: hyper-v, key: 'env:K', endpoint: 'http://127.0.0.1:1/dev/'}",
        S3,
        S3[:-1] + ", prefix: main, endpoint: 'https://S3.example.com'}",
    )

    assert shown == [
        "/backup",
        "smb://nas1/backup$",
        "smb://nas1:4445/other/hyper-v/main",
        "azure://example/hyper-v",
        "azure://example/hyper-v/a/b",
        "azure://127.0.0.1:1/dev/hyper-v",
        "s3://example",
        "s3://s3.example.com/example/main",
    ]
    assert said(*[SMB, AZURE, S3]) == []


def test_a_volume_is_in_exactly_one_place() -> None:
    assert said("path: /x, " + S3) == [
        "volumes[0]: a volume has exactly one of path, smb, azure, s3; this one has path and s3"
    ]
    assert (
        parse_file("p.yaml", (POOL + "  - name: a\n").encode())
        .complaints[0]
        .text.endswith("this one has none")
    )


@pytest.mark.parametrize("line", [SMB, AZURE, S3])
def test_two_volumes_are_not_in_one_place(line: str) -> None:
    kind = line.partition(":")[0]
    (text,) = said(line, line)

    assert text.startswith(f"volumes[1].{kind}: there are two volumes at '{kind}://")


def test_names_on_a_share_have_no_case() -> None:
    assert len(said(SMB, SMB.replace("backup$", "BACKUP$"))) == 1


@pytest.mark.parametrize(
    ("line", "complaint"),
    [
        (
            "azure: {account: example, container: hyper-v}",
            "volumes[0].azure: exactly one of 'key' and 'sas' is needed",
        ),
        (
            AZURE[:-1] + ", sas: 'env:S'}",
            "volumes[0].azure: exactly one of 'key' and 'sas' is needed",
        ),
        (
            "smb: {server: nas1, share: backup, user: u}",
            "volumes[0].smb: key 'password' is missing; one is no use without the other",
        ),
        (
            "azure: {account: Example, container: hyper-v, key: 'env:K'}",
            (
                "volumes[0].azure.account: "
                "expected a storage account: 3 to 24 lower-case letters and digits"
            ),
        ),
        (
            "azure: {account: example, container: a--b, key: 'env:K'}",
            (
                "volumes[0].azure.container: "
                "expected a container: 3 to 63 lower-case letters, digits and '-'"
            ),
        ),
        (
            S3.replace("bucket: example", "bucket: Example_1"),
            (
                "volumes[0].s3.bucket: "
                "expected a bucket: 3 to 63 lower-case letters, digits, '-' and '.'"
            ),
        ),
        (
            S3[:-1] + ", prefix: a/../b}",
            "volumes[0].s3.prefix: expected a prefix such as backup/hyper-v",
        ),
        (
            "smb: {server: nas1, share: backup, folder: ../x}",
            "volumes[0].smb.folder: expected a folder of the share such as backup/hyper-v",
        ),
        (
            "smb: {server: nas1, share: 'a/b'}",
            "volumes[0].smb.share: expected the name of a share, such as backup$",
        ),
        (
            S3[:-1] + ", endpoint: s3.example.com}",
            "volumes[0].s3.endpoint: expected an address such as https://s3.example.com",
        ),
        (
            S3[:-1] + ", endpoint: 'http://s3.example.com'}",
            "volumes[0].s3.endpoint: without TLS whoever is on the way can read all and change it",
        ),
    ],
)
def test_what_cannot_be_meant_is_said_with_its_place(line: str, complaint: str) -> None:
    assert said(line) == [complaint]


@pytest.mark.parametrize(
    "line",
    [
        "azure: {account: example, container: hyper-v, key: S3cr3tS3cr3t==}",
        AZURE[:-1] + ", endpoint: 'https://example.com/?sig=S3cr3tS3cr3t'}",
        S3[:-1] + ", endpoint: 'https://user:S3cr3tS3cr3t@example.com'}",
        "smb: {server: nas1, share: backup, user: u, password: S3cr3tS3cr3t}",
    ],
)
def test_a_secret_that_is_written_down_is_refused_and_never_repeated(line: str) -> None:
    found = parse_file("p.yaml", volumes(line))

    assert found.is_broken
    assert "S3cr3t" not in "".join(c.text + c.hint for c in found.complaints)
