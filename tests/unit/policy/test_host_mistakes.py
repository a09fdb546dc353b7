"""What is said about hosts, clusters, pools and file servers that contradict themselves."""

import pytest

from reconciler.policy.complaints import Severity
from reconciler.policy.file_servers import FileServer
from reconciler.policy.parse import parse_file

HOST = "schema: reconciler/v1\nkind: HyperVHost\nname: hv1\naddress: hv1.example.com\n"
SERVER = "schema: reconciler/v1\nkind: FileServer\nname: fs1\naddress: fs1.example.com\n"
ACCOUNT = "user: u\npassword: env:P\n"
CERTIFICATE = "certificate: /c.pem\ncertificate_key: file:/c.key\n"


def said(text: str) -> list[str]:
    found = parse_file("p.yaml", text.encode()).complaints
    kinds = {Severity.ERROR: "", Severity.WARNING: "warning: "}
    return [f"{c.line}:{c.column} {kinds[c.severity]}{c.where}: {c.text}" for c in found]


def test_a_certificate_is_enough() -> None:
    assert said(HOST + "tls: true\nauthentication: certificate\n" + CERTIFICATE) == []


def test_a_ticket_is_enough() -> None:
    assert said(HOST + "authentication: kerberos\n") == []


@pytest.mark.parametrize(
    ("tail", "complaints"),
    [
        (
            "authentication: certificate\n",
            [
                "1:1 : key 'certificate' is missing; authentication by certificate needs it",
                "1:1 : key 'certificate_key' is missing; authentication by certificate needs it",
                "5:17 authentication: authentication by certificate needs TLS",
            ],
        ),
        (
            "tls: true\nauthentication: certificate\nuser: u\n" + CERTIFICATE,
            ["7:1 warning: user: is not used: the host maps the certificate to an account"],
        ),
        (
            ACCOUNT + CERTIFICATE,
            [
                "7:1 certificate: is for authentication by certificate only",
                "8:1 certificate_key: is for authentication by certificate only",
            ],
        ),
        (
            ACCOUNT + "trust: /ca.pem\n",
            ["7:1 trust: is for TLS only: without it the host shows no certificate"],
        ),
        (
            ACCOUNT + "port: 5986\n",
            ["7:7 warning: port: is the port at which Windows speaks with TLS"],
        ),
        (
            ACCOUNT + "tls: true\nport: 5985\n",
            ["8:7 warning: port: is the port at which Windows speaks without TLS"],
        ),
        (
            ACCOUNT + "smb_port: 4455\nread_limit: 1MiB\n",
            [
                "7:1 smb_port: is for 'disks_through: smb' only",
                "8:1 read_limit: is for 'disks_through: smb' only",
            ],
        ),
        (
            "authentication: kerberos\nuser: u\n",
            ["1:1 : key 'password' is missing; one is no use without the other"],
        ),
        (
            "authentication: kerberos\nuser: 'CORP\\svc'\npassword: env:P\n",
            ["6:7 user: Kerberos does not know accounts as DOMAIN\\name"],
        ),
        (
            "membership: workgroup\nauthentication: kerberos\n",
            ["6:17 authentication: there is no Kerberos for a host in a workgroup"],
        ),
        (
            "membership: untrusted_domain\nauthentication: kerberos\n",
            [
                (
                    "6:17 authentication: there is no Kerberos for a host in a domain that is not "
                    "trusted"
                )
            ],
        ),
        (
            "membership: trusted_domain\nauthentication: ntlm\n" + ACCOUNT,
            [
                (
                    "6:17 warning: authentication: a host of a trusted domain should be asked with "
                    "Kerberos, not with NTLM"
                )
            ],
        ),
        (
            "membership: trusted_domain\nuser: 'CORP\\svc'\npassword: env:P\n",
            [
                (
                    "6:7 warning: user: with an account as DOMAIN\\name this is NTLM, though "
                    "Kerberos would do here"
                )
            ],
        ),
        ("membership: trusted_domain\nauthentication: kerberos\n", []),
        ("membership: trusted_domain\nuser: svc@CORP.EXAMPLE.COM\npassword: env:P\n", []),
        ("membership: workgroup\nauthentication: ntlm\n" + ACCOUNT, []),
        ("membership: untrusted_domain\n" + ACCOUNT, []),
        ("membership: workgroup\ntls: true\nauthentication: certificate\n" + CERTIFICATE, []),
        (
            "tls: true\nauthentication: certificate\ncertificate: c\ncertificate_key: c\n",
            [
                (
                    "8:1 certificate_key: a secret does not belong in a policy file; expected a "
                    "reference to one"
                )
            ],
        ),
    ],
)
def test_each_mistake_of_authentication_is_named(tail: str, complaints: list[str]) -> None:
    assert said(HOST + tail) == complaints


def test_kerberos_asks_for_a_name_instead_of_an_ip_address() -> None:
    by_number = HOST.replace("hv1.example.com", "192.0.2.7")
    ticket = by_number + "authentication: kerberos\n"
    assert said(ticket) == [
        (
            "4:10 warning: address: Kerberos knows hosts by name; a ticket for an IP address is "
            "mostly refused"
        )
    ]
    assert said(by_number + ACCOUNT) == []
    assert said(by_number + "membership: trusted_domain\n" + ACCOUNT) == [
        ("4:10 warning: address: with an IP address this is NTLM, though Kerberos would do here")
    ]
    through = SERVER.replace("fs1.example.com", "192.0.2.9") + "unc_name: fs1\nthrough: agent\n"
    assert len(said(through + "authentication: kerberos\n")) == 1


@pytest.mark.parametrize(
    "key",
    [
        "certificate_key: hunter2hunter2",
        "certificate_key: |\n  hunter2hunter2\n bad: [",
        "certificate_key: |\n  -----BEGIN\n" + 3 * f"MII{'hunter2' * 9}\n",
        "certificate_key:\n  -----BEGIN\n" + 3 * f"MII{'hunter2' * 9}\n",
    ],
)
def test_no_complaint_repeats_a_private_key(key: str) -> None:
    text = HOST + "tls: true\nauthentication: certificate\ncertificate: /c.pem\n" + key
    complaints = parse_file("p.yaml", text.encode()).complaints
    assert complaints
    assert not any("hunter2" in c.render() for c in complaints)


def test_a_node_is_named_once() -> None:
    text = "schema: reconciler/v1\nkind: HyperVCluster\nname: c\nnodes: [n1, n2, n1]\n"
    assert said(text) == ["4:17 nodes[2]: n1 is there twice"]


def test_two_volumes_of_a_pool_are_in_two_folders() -> None:
    text = (
        "schema: reconciler/v1\nkind: StoragePool\nname: main\nvolumes:\n"
        "  - {name: a, path: /backup}\n  - {name: b, path: /backup/}\n"
    )
    assert said(text) == ["6:21 volumes[1].path: there are two volumes at '/backup' in this pool"]


@pytest.mark.parametrize(
    ("tail", "complaints"),
    [
        (
            "authentication: ntlm\ntls: false\nconfiguration: Own\n" + ACCOUNT,
            [
                "5:1 authentication: is for 'through: agent' only",
                "6:1 tls: is for 'through: agent' only",
                "7:1 configuration: is for 'through: agent' only",
            ],
        ),
        (
            "through: agent\n",
            [
                "1:1 : key 'password' is missing; authentication by negotiate needs it",
                "1:1 : key 'user' is missing; authentication by negotiate needs it",
            ],
        ),
        (
            "user: u\n",
            ["1:1 : key 'password' is missing; one is no use without the other"],
        ),
        (
            "through: agent\nread_limit: 1MiB\n" + ACCOUNT,
            ["6:1 read_limit: is for 'through: smb' only"],
        ),
        (
            "through: share\n",
            ["5:10 through: expected 'smb' or 'agent', got 'share'"],
        ),
        (
            "unc_name: 192.0.2.9\n",
            [
                (
                    "5:11 warning: unc_name: Hyper-V does not support disk paths that name a "
                    "server by its IP address"
                )
            ],
        ),
        (
            "unc_name: fs1/vms\n",
            ["5:11 unc_name: expected a host name or IP address, got 'fs1/vms'"],
        ),
    ],
)
def test_each_mistake_of_a_file_server_is_named(tail: str, complaints: list[str]) -> None:
    assert said(SERVER + tail) == complaints


@pytest.mark.parametrize(
    ("tail", "port"),
    [
        ("", 445),
        ("port: 1445\n", 1445),
        ("through: agent\n" + ACCOUNT, 5985),
        ("through: agent\ntls: true\n" + ACCOUNT, 5986),
        ("through: agent\nport: 443\n" + ACCOUNT, 443),
    ],
)
def test_the_port_of_a_file_server_follows_the_way_unless_it_is_written(
    tail: str, port: int
) -> None:
    (server,) = parse_file("p.yaml", (SERVER + tail).encode()).documents
    assert isinstance(server, FileServer)
    assert server.connection_port == port
    assert server.known_as == "fs1.example.com"
