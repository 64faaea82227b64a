"""Secrets at rest: encryption of keys, hashes to find them by, the data folder's own secret."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import os
from base64 import urlsafe_b64encode
from pathlib import Path

from cryptography.fernet import Fernet, InvalidToken

from core.errors import ChannelError
from core.settings import CoreSettings

SECRET_FILE = "secret"  # noqa: S105 - a file name
SECRET_BYTES = 32


def load_secret(data: Path) -> str:
    """The data folder's secret; made once, readable by its owner alone."""
    path = data / SECRET_FILE
    data.mkdir(parents=True, exist_ok=True, mode=0o700)
    if not path.exists():
        # Written whole before it gets its name: a crash or a second starter never sees half of it.
        draft = data / f".{SECRET_FILE}-{os.getpid()}-{os.urandom(4).hex()}"
        descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(os.urandom(SECRET_BYTES).hex())
            file.flush()
            os.fsync(file.fileno())
        with contextlib.suppress(FileExistsError):
            os.link(draft, path)
        draft.unlink()
    found = path.read_text().strip()
    if len(found) < SECRET_BYTES:
        raise ValueError(f"{path} holds no secret; restore it from a backup, or set CRYPTO_SECRET")
    return found


def _derive(secret: str, purpose: str) -> bytes:
    return hmac.new(secret.encode(), f"isthmus {purpose}".encode(), hashlib.sha256).digest()


class Vault:
    """Encrypts (AES-128-CBC with HMAC-SHA256, Fernet) and hashes; keys are derived from one secret."""

    def __init__(self, settings: CoreSettings) -> None:
        own = "" if settings.crypto_secret and settings.session_secret else load_secret(settings.data)
        crypto = settings.crypto_secret or settings.session_secret or own
        self._fernet = Fernet(urlsafe_b64encode(_derive(crypto, "encryption")))
        self._index = _derive(crypto, "index")
        self.session_key = _derive(settings.session_secret or own, "session")
        """Signs sessions."""

    def encrypt(self, text: str) -> str:
        """For storage."""
        return self._fernet.encrypt(text.encode()).decode()

    def decrypt(self, stored: str) -> str:
        """From storage. Raises ChannelError where it was encrypted with another secret."""
        try:
            return self._fernet.decrypt(stored.encode()).decode()
        except InvalidToken as error:
            raise ChannelError("A stored secret cannot be read: CRYPTO_SECRET has changed.") from error

    def seal(self, data: bytes) -> bytes:
        """Bytes for storage."""
        return self._fernet.encrypt(data)

    def unseal(self, stored: bytes) -> bytes:
        """Bytes from storage. Raises ChannelError where they were encrypted with another secret."""
        try:
            return self._fernet.decrypt(stored)
        except InvalidToken as error:
            raise ChannelError("What is stored cannot be read: CRYPTO_SECRET has changed.") from error

    def digest(self, secret: str) -> str:
        """64 hex characters by which a secret is found."""
        return hmac.new(self._index, secret.encode(), hashlib.sha256).hexdigest()
