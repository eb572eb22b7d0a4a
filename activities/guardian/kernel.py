"""What only the kernel can be asked, on Linux; elsewhere nothing happens.

Standard library only: the guardian's processes load this.
"""

import ctypes
import fcntl
import os
import socket
import struct
import sys
from pathlib import Path

IS_LINUX = sys.platform == "linux"
_LIBC = ctypes.CDLL(None, use_errno=True)

_SET_CHILD_SUBREAPER = 36
_NEW_USER, _NEW_NETWORK = 0x10000000, 0x40000000
_GET_FLAGS, _SET_FLAGS, _IS_UP = 0x8913, 0x8914, 1
_INTERFACE = struct.Struct("16sH14x")


def adopt_orphans() -> None:
    """Have descendants whose parent ends become children of this process, whatever session they are in."""
    if IS_LINUX:
        _LIBC.prctl(_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def own_network() -> None:
    """Leave the network for one of this process's own, which has a loopback interface alone. Raises OSError."""
    user, group = os.geteuid(), os.getegid()
    if _LIBC.unshare(_NEW_USER | _NEW_NETWORK):
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
    Path("/proc/self/setgroups").write_text("deny")
    Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
    Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as asking:
        found = fcntl.ioctl(asking, _GET_FLAGS, _INTERFACE.pack(b"lo", 0))
        flags = _INTERFACE.unpack(found)[1]
        fcntl.ioctl(asking, _SET_FLAGS, _INTERFACE.pack(b"lo", flags | _IS_UP))
