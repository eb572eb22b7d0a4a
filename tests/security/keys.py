"""Keys of the tests, and what is made of them."""

import base64
import hashlib

from runtime.encryption.codec import EncryptionCodec
from runtime.encryption.configured import Encryption
from runtime.encryption.keys import EncryptionKeys


def key(name: str) -> bytes:
    """The key of that id: always the same."""
    return hashlib.sha256(name.encode()).digest()


def given(*names: str) -> str:
    """The keys of these ids, the newest first, as a person gives them."""
    return " ".join(f"{name}:{base64.b64encode(key(name)).decode()}" for name in names)


def codec(*names: str) -> EncryptionCodec:
    return EncryptionCodec(EncryptionKeys((name, key(name)) for name in names))


def encryption(*names: str) -> Encryption:
    return Encryption(codec(*names), bool(names))
