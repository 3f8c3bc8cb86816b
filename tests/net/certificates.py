"""Certificates of a test: an authority that clients trust, and what it has signed."""

import datetime
import ssl
from pathlib import Path

import trustme
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec


class Certificates:
    """Files below one directory.

    Attributes:
        authority: PEM file of the authority.
    """

    def __init__(self, directory: Path) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self._directory = directory
        self._authority = trustme.CA(key_type=trustme.KeyType.ECDSA)
        self.authority = str(directory / "authority.pem")
        self._authority.cert_pem.write_to_path(self.authority)

    def server(self, *names: str, file: str = "server.pem") -> str:
        """A certificate with its chain and key in one file; written again, it replaces the one before."""
        return self._write(self._authority.issue_cert(*names, key_type=trustme.KeyType.ECDSA), file)

    def client(self, *names: str, common_name: str | None = None, file: str = "client.pem") -> str:
        """The same for a client."""
        issued = self._authority.issue_cert(
            *names, common_name=common_name, organization_name="Example", key_type=trustme.KeyType.ECDSA
        )
        return self._write(issued, file)

    def _write(self, issued: trustme.LeafCert, file: str) -> str:
        path = self._directory / file
        issued.private_key_and_cert_chain_pem.write_to_path(path)
        return str(path)

    def locked_key(self, file: str, password: str) -> str:
        """The key of such a file, encrypted, in a file of its own."""
        key = serialization.load_pem_private_key(Path(file).read_bytes(), None)
        encryption = serialization.BestAvailableEncryption(password.encode())
        locked = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)
        path = self._directory / "locked.pem"
        path.write_bytes(locked)
        return str(path)

    def revoked(self, *files: str, is_outdated: bool = False) -> str:
        """The authority's revocation list, with the certificates of these files on it; written again, it replaces."""
        now = datetime.datetime.now(datetime.UTC)
        authority = x509.load_pem_x509_certificate(self._authority.cert_pem.bytes())
        key = serialization.load_pem_private_key(self._authority.private_key_pem.bytes(), None)
        assert isinstance(key, ec.EllipticCurvePrivateKey)
        builder = x509.CertificateRevocationListBuilder().issuer_name(authority.subject)
        builder = builder.last_update(now - datetime.timedelta(days=2))
        builder = builder.next_update(now + datetime.timedelta(days=-1 if is_outdated else 1))
        for file in files:
            certificate = x509.load_pem_x509_certificate(Path(file).read_bytes())
            entry = x509.RevokedCertificateBuilder().serial_number(certificate.serial_number).revocation_date(now)
            builder = builder.add_revoked_certificate(entry.build())
        path = self._directory / "revoked.pem"
        path.write_bytes(builder.sign(key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        return str(path)

    def damage(self, file: str) -> None:
        (self._directory / file).write_text("not a certificate")

    def trusting(self, certificate: str = "", version: ssl.TLSVersion | None = None) -> ssl.SSLContext:
        """A client's context that trusts the authority, shows ``certificate`` and speaks only ``version``."""
        context = ssl.create_default_context(cafile=self.authority)
        if certificate:
            context.load_cert_chain(certificate)
        if version is not None:
            context.minimum_version = context.maximum_version = version
        return context
