"""Where journals are kept on a cluster: objects, as S3 has them."""

from typing import Protocol


class ObjectStore(Protocol):
    """Keep objects by key, each written whole or not at all. Every method raises StorageFailed."""

    async def create(self, key: str, content: bytes) -> bool:
        """Write an object, and return True when it is stored; False where there is one of that key, which stays."""

    async def read(self, key: str) -> bytes:
        """Return the content of an object."""

    async def keys(self, folder: str) -> list[str]:
        """Return the keys that begin with `folder/`, in order."""
