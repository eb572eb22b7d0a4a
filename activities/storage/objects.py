"""Where journals are kept on a cluster: objects, as S3 has them."""

from typing import Protocol


class Objects(Protocol):
    """Written whole or not at all, and on disks when it returns. What is refused or lost raises StorageFailed."""

    async def create(self, key: str, content: bytes) -> bool:
        """Whether it was written: where there is an object of that key, it is left as it is."""

    async def read(self, key: str) -> bytes:
        """What the object holds."""

    async def keys(self, folder: str) -> list[str]:
        """The keys that begin with `folder/`, in order."""
