"""The lab's own certificate authority, made once: a certificate for each host and for its client.

They last ten years: a lab is for trying things on, and nobody must trust its authority otherwise.
"""

import ipaddress
import shutil
import time
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from reconciler.lab.files import replace_file
from reconciler.lab.wire.tls import principal

FOLDER: Final = "certificates"
PRINCIPAL: Final = "reconciler@lab"
"""Who the client's certificate says it is."""
_LIFE: Final = timedelta(days=3650)
_CLOCK_SKEW: Final = timedelta(days=1)

Key = ec.EllipticCurvePrivateKey


class Certificates:
    """The folder with the files of an authority. Keys can be read by their owner only."""

    def __init__(self, lab: Path) -> None:
        self.folder = lab / FOLDER
        self.authority = self.folder / "authority.pem"
        self.client = self.folder / "client.pem"
        self.client_key = self.folder / "client.key"

    def of_host(self, name: str) -> tuple[Path, Path]:
        """Certificate and key of a host."""
        return self.folder / f"{name}.pem", self.folder / f"{name}.key"

    def ensure(self) -> None:
        """Make the authority and the client's certificate if they are not there."""
        if self.client.exists():
            return
        self.folder.mkdir(exist_ok=True)
        key = _new_key(self._authority_key)
        usage = x509.KeyUsage(
            digital_signature=True,
            key_cert_sign=True,
            crl_sign=True,
            content_commitment=False,
            key_encipherment=False,
            data_encipherment=False,
            key_agreement=False,
            encipher_only=False,
            decipher_only=False,
        )
        builder = _builder("Reconciler lab", key.public_key(), is_authority=True)
        builder = builder.issuer_name(_named("Reconciler lab"))
        whole = builder.add_extension(usage, critical=True).sign(key, hashes.SHA256())
        _write(self.authority, whole)
        names: list[x509.GeneralName] = [principal(PRINCIPAL)]
        client_key = _new_key(self.client_key)
        self._issue(self.client, client_key, names, ExtendedKeyUsageOID.CLIENT_AUTH)

    def issue_for_host(self, name: str, address: str) -> None:
        """Make a certificate for a host where it is now."""
        names: list[x509.GeneralName] = [x509.DNSName(name), x509.DNSName("localhost")]
        names.append(x509.IPAddress(ipaddress.ip_address(address)))
        path, key_path = self.of_host(name)
        self._issue(path, _new_key(key_path), names, ExtendedKeyUsageOID.SERVER_AUTH)

    def delete(self) -> None:
        """Remove all of it."""
        shutil.rmtree(self.folder, ignore_errors=True)

    @property
    def _authority_key(self) -> Path:
        return self.folder / "authority.key"

    def _issue(
        self, path: Path, key: Key, names: Sequence[x509.GeneralName], use: x509.ObjectIdentifier
    ) -> None:
        authority = x509.load_pem_x509_certificate(self.authority.read_bytes())
        signing = serialization.load_pem_private_key(self._authority_key.read_bytes(), None)
        assert isinstance(signing, Key)  # noqa: S101 (we made it)
        builder = _builder(path.stem, key.public_key(), is_authority=False)
        builder = builder.issuer_name(authority.subject)
        builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
        builder = builder.add_extension(x509.ExtendedKeyUsage([use]), critical=False)
        issuer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signing.public_key())
        builder = builder.add_extension(issuer, critical=False)
        _write(path, builder.sign(signing, hashes.SHA256()))


def _builder(
    name: str, key: ec.EllipticCurvePublicKey, *, is_authority: bool
) -> x509.CertificateBuilder:
    now = datetime.fromtimestamp(time.time(), UTC)
    constraints = x509.BasicConstraints(ca=is_authority, path_length=None)
    identifier = x509.SubjectKeyIdentifier.from_public_key(key)
    builder = x509.CertificateBuilder(serial_number=x509.random_serial_number())
    builder = builder.subject_name(_named(name)).public_key(key)
    builder = builder.not_valid_before(now - _CLOCK_SKEW).not_valid_after(now + _LIFE)
    return builder.add_extension(constraints, critical=True).add_extension(
        identifier, critical=False
    )


def _named(name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])


def _new_key(path: Path) -> Key:
    key = ec.generate_private_key(ec.SECP256R1())
    text = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    replace_file(path, text, mode=0o600)
    return key


def _write(path: Path, certificate: x509.Certificate) -> None:
    replace_file(path, certificate.public_bytes(serialization.Encoding.PEM))
