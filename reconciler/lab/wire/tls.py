"""HTTPS as a host offers it: its certificate, and whose the certificates of its clients are."""

import hashlib
import socket
import ssl
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from cryptography import x509
from spnego.channel_bindings import GssChannelBindings

UPN: Final = x509.ObjectIdentifier("1.3.6.1.4.1.311.20.2.3")
"""User principal name, an other name of a certificate's subject; WinRM maps it to an account."""
_UTF8_STRING = 0x0C
_SHORT = 0x80


class HostTls:
    """The HTTPS side of one host. Certificates of its authority only are looked at."""

    def __init__(
        self, certificate: Path, key: Path, authority: Path, accounts: Mapping[str, str]
    ) -> None:
        """`accounts` are the accounts that user principal names of certificates map to."""
        self._accounts = {name.lower(): account for name, account in accounts.items()}
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.minimum_version = ssl.TLSVersion.TLSv1_2
        # So do hosts that ask for certificates: HTTP.sys asks anew later, which 1.3 cannot do.
        self._context.maximum_version = ssl.TLSVersion.TLSv1_2
        self._context.load_cert_chain(certificate, key)
        self._context.load_verify_locations(authority)
        self._context.verify_mode = ssl.CERT_OPTIONAL
        self.bindings = _bindings(certificate)

    def secured(self, plain: socket.socket) -> ssl.SSLSocket:
        """A connection whose handshake is still to be done."""
        return self._context.wrap_socket(plain, server_side=True, do_handshake_on_connect=False)

    def account_of(self, stream: socket.socket) -> str | None:
        """The account of who is on the other end, by certificate."""
        shown = stream.getpeercert(binary_form=True) if isinstance(stream, ssl.SSLSocket) else None
        if not shown:
            return None
        names = (name.lower() for name in _principals(x509.load_der_x509_certificate(shown)))
        return next((self._accounts[name] for name in names if name in self._accounts), None)


def principal(name: str) -> x509.OtherName:
    """A user principal name as it stands in a certificate."""
    text = name.encode("utf-8")
    if len(text) >= _SHORT:
        raise ValueError(f"{name} is too long for a lab")
    return x509.OtherName(UPN, bytes((_UTF8_STRING, len(text))) + text)


def _principals(certificate: x509.Certificate) -> list[str]:
    try:
        found = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName)
    except x509.ExtensionNotFound:
        return []
    others = found.value.get_values_for_type(x509.OtherName)
    texts = [other.value for other in others if other.type_id == UPN]
    return [t[2:].decode("utf-8", "replace") for t in texts if t[:1] == bytes((_UTF8_STRING,))]


def _bindings(certificate: Path) -> GssChannelBindings:
    """What ties a login to this certificate.

    Source: RFC 5929 §4.1; the hash is that of the certificate's signature, SHA-256 here.
    """
    text = certificate.read_text(encoding="ascii")
    whole = ssl.PEM_cert_to_DER_cert(text[text.index("-----BEGIN CERTIFICATE") :])
    digest = hashlib.sha256(whole).digest()
    return GssChannelBindings(application_data=b"tls-server-end-point:" + digest)
