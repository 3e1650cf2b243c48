"""Certificates for tests, made by the openssl command: authorities, servers, clients."""

import subprocess
from dataclasses import dataclass
from pathlib import Path

__all__ = ["Authority", "Signed"]


@dataclass(frozen=True)
class Signed:
    """Files of somebody: a key, and the certificate that an authority has signed."""

    key: Path
    certificate: Path


class Authority:
    """Signs certificates.

    Parameters
    ----------
    folder : Path
        Where its files go.
    name : str
        Its name, and the beginning of theirs.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._folder, self._name = folder, name
        self._number = 0
        self._own = Signed(folder / f"{name}.key", folder / f"{name}.pem")
        _openssl("req", "-x509", *_NEW_KEY, "-days", "2", "-subj", f"/CN={name}",
                 "-keyout", self._own.key, "-out", self._own.certificate)

    @property
    def certificate(self) -> Path:
        """What others trust it by."""
        return self._own.certificate

    def sign(self, name: str, address: str = "IP:127.0.0.1") -> Signed:
        """Return files for somebody at an address, such as ``DNS:example.com``."""
        self._number += 1
        stem = self._folder / f"{self._name}-{self._number}"
        request, options = stem.with_suffix(".csr"), stem.with_suffix(".txt")
        signed = Signed(stem.with_suffix(".key"), stem.with_suffix(".pem"))
        options.write_text(f"subjectAltName={address}\n")
        _openssl("req", *_NEW_KEY, "-subj", f"/CN={name}", "-keyout", signed.key, "-out", request)
        _openssl("x509", "-req", "-in", request, "-CA", self._own.certificate, "-CAkey",
                 self._own.key, "-CAcreateserial", "-days", "2", "-extfile", options, "-out",
                 signed.certificate)
        return signed


_NEW_KEY = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
