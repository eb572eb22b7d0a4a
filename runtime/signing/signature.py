"""The signature of a payload: what it is about, and by whom.

It is an HMAC over the plain payload and its subject: what kind of thing the payload is, and of which run. So it says
nothing about another run, another activity, or another kind. It stands in the payload's metadata, and the payload
stays as readable as it was.
"""

import hashlib
import hmac
from collections.abc import Iterator
from dataclasses import dataclass

from temporalio.api.common.v1 import Payload

SIGNATURE = "taskflow-signature"

Subject = tuple[str | bytes, ...]
"""What a signature is about: the kind, then what says which one."""


@dataclass(frozen=True)
class Signer:
    """Sign payloads, and tell what is signed.

    `keys`: the newest first, which signs; at least one. `before`: what was there before the key was: the signatures
    that payloads would have, each about a subject in one history, and the ids of histories that were over. `requires`:
    whether a worker refuses what is not signed.

    The id of a history is what Temporal calls a run id.
    """

    keys: tuple[bytes, ...]
    before: frozenset[str] = frozenset()
    requires: bool = True

    def sign(self, payload: Payload, subject: Subject) -> Payload:
        """Sign the payload, in place, and return it."""
        payload.metadata[SIGNATURE] = self.signature(payload, subject).encode()
        return payload

    def signature(self, payload: Payload, subject: Subject) -> str:
        """Return the newest key's signature of the payload, in hex."""
        return _mac(self.keys[0], payload, subject)

    def is_signed(self, payload: Payload, subject: Subject) -> bool:
        """Return whether the payload has a signature that is about the subject."""
        given = payload.metadata.get(SIGNATURE)
        return given is not None and any(
            hmac.compare_digest(_mac(key, payload, subject).encode(), given) for key in self.keys
        )

    def accepts(self, payload: Payload, subject: Subject, history_id: str) -> bool:
        """Return whether it is signed, or was in the history of that id before the key was."""
        return self.is_signed(payload, subject) or (
            bool(self.before) and self.signature(payload, (*subject, history_id)) in self.before
        )

    def was_over(self, history_id: str) -> bool:
        """Return whether the history of that id was over before the key was."""
        return history_id in self.before


def digest(payload: Payload) -> bytes:
    """Return the hash of the payload: of its metadata, but for a signature, and its data."""
    hashed = hashlib.sha256()
    for part in _parts(payload, ()):
        hashed.update(part)
    return hashed.digest()


def _mac(key: bytes, payload: Payload, subject: Subject) -> str:
    mac = hmac.new(key, digestmod="sha256")
    for part in _parts(payload, subject):
        mac.update(part)
    return mac.hexdigest()


def _parts(payload: Payload, subject: Subject) -> Iterator[bytes]:
    """Yield all that is signed, each part after its length: no two payloads, and no two subjects, give the same."""
    metadata = sorted((name, value) for name, value in payload.metadata.items() if name != SIGNATURE)
    yield len(subject).to_bytes(8)
    for part in (*subject, *(part for pair in metadata for part in pair), payload.data):
        encoded = part.encode() if isinstance(part, str) else part
        yield len(encoded).to_bytes(8)
        yield encoded
