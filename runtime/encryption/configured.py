"""Whether everything that is kept is encrypted, and by which codec: our own with keys, or a team's own."""

import importlib
import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field

from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from grammar.errors import MissingKey, UserError
from runtime.encryption.codec import EncryptionCodec
from runtime.encryption.keys import CODEC, SOURCES, EncryptionKeys


@dataclass(frozen=True)
class Encryption:
    """How what is kept is encoded. `is_on`: False where it is kept as it is; what is encrypted is told as such.

    `name`: what tells it from another one; empty where it is off.
    """

    codec: PayloadCodec = field(default_factory=lambda: EncryptionCodec(EncryptionKeys()))
    is_on: bool = False
    name: str = ""


class TeamCodec(PayloadCodec):
    """Encode and decode by a codec that is not ours. Whatever it raises is told as its own, as MissingKey."""

    def __init__(self, codec: PayloadCodec, name: str) -> None:
        self._codec = codec
        self._name = name

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as the codec encodes them."""
        return await self._told(self._codec.encode, payloads)

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        """Return the payloads as the codec decodes them."""
        return await self._told(self._codec.decode, payloads)

    async def _told(
        self, do: Callable[[Sequence[Payload]], Awaitable[list[Payload]]], payloads: Sequence[Payload]
    ) -> list[Payload]:
        try:
            return list(await do(payloads))
        except Exception as error:
            raise MissingKey(f"{CODEC}={self._name} failed: {type(error).__name__}: {error}") from error


def configured() -> Encryption:
    """Return what the environment says. Raises UserError."""
    name = os.environ.get(CODEC)
    if name is None or not name.strip():
        keys = EncryptionKeys.configured()
        return Encryption(EncryptionCodec(keys), bool(keys), keys.newest if keys else "")
    if source := next((source for source in SOURCES if os.environ.get(source)), None):
        raise UserError(f"{CODEC} and {source} are both set: one of them encrypts, set one")
    return Encryption(TeamCodec(_loaded(name), name), True, name)


def _loaded(name: str) -> PayloadCodec:
    """Return the codec `module:object`; of a class, an instance. Raises UserError."""
    module, _, path = name.partition(":")
    if not module or not path:
        raise UserError(f"{CODEC} is {name!r}; write MODULE:OBJECT")
    try:
        found: object = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
        codec = found() if isinstance(found, type) else found
    except Exception as error:  # it is not our code
        raise UserError(f"{CODEC}: {name} cannot be loaded: {type(error).__name__}: {error}") from error
    if not isinstance(codec, PayloadCodec):
        raise UserError(f"{CODEC}: {name} is no PayloadCodec of temporalio.converter")
    return codec
