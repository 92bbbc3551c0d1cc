"""The local certificate authority: TLS on loopback that every client in the stack trusts.

The Azure clients refuse to send a bearer token over plain HTTP, so the stack speaks HTTPS as
Azure does. The authority lives as long as the stack; clients trust it through the environment
(`SSL_CERT_FILE` for Python, `NODE_EXTRA_CA_CERTS` for Node.js), read before they start.
"""

from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True)
class Certificates:
    """Files of one authority and one server certificate for 127.0.0.1 and localhost."""

    authority: Path
    certificate: Path
    key: Path

    def environment(self) -> dict[str, str]:
        """The variables that make a child process trust the authority, and only it."""
        return {"SSL_CERT_FILE": str(self.authority), "NODE_EXTRA_CA_CERTS": str(self.authority)}


def issue(directory: Path) -> Certificates:
    """Make a new authority and a server certificate, written into `directory`."""
    authority = trustme.CA()
    server = authority.issue_cert("127.0.0.1", "localhost")
    files = Certificates(directory / "ca.pem", directory / "server.pem", directory / "server.key")
    authority.cert_pem.write_to_path(files.authority)
    for index, blob in enumerate(server.cert_chain_pems):
        blob.write_to_path(files.certificate, append=index > 0)
    server.private_key_pem.write_to_path(files.key)
    return files
