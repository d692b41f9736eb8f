"""This lab's salt: what makes the ids that leave it unlike those that others hold."""

from __future__ import annotations

import hashlib
import hmac
import os
import secrets

from .errors import StoreError
from .home import home

SALT_BYTES = 32


def salt() -> bytes:
    """This lab's salt: drawn once, kept in the data folder for its owner alone.

    Raises `StoreError` where it is damaged or can be read by others.
    """
    path = home() / "salt"
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.parent / f".salt.{os.getpid()}.{secrets.token_hex(4)}"
    if not path.exists():
        descriptor = os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as file:
            file.write(secrets.token_bytes(SALT_BYTES))
            file.flush()
            os.fsync(file.fileno())
        try:
            os.link(beside, path)  # of two processes the first wins, and nobody reads half a salt
        except FileExistsError:
            pass
        finally:
            beside.unlink()
    if path.stat().st_mode & 0o077:
        raise StoreError(f"{path}: others can read the salt of your ids", f"close it:  chmod 600 {path}")
    found = path.read_bytes()
    if len(found) != SALT_BYTES:
        raise StoreError(f"{path}: {len(found)} bytes are no salt", "bring it back from a copy; a new one renames all")
    return found


def salted(cohort: str, name: str, key: bytes) -> str:
    """The id under which a scan or person of a cohort leaves: HMAC-SHA-256 with the lab's salt."""
    return hmac.new(key, f"{cohort}\0{name}".encode(), hashlib.sha256).hexdigest()[:24]
