"""Which system calls a sandbox does without: a filter for the kernel (seccomp), as a program of classic BPF.

What it leaves out is what a namespace does not hold: sockets of families that know no network namespace (a virtual
machine's host is reached by AF_VSOCK), kernel keys, and io_uring, which would make such calls past the filter.
"""

import errno
import socket
import struct
from typing import NamedTuple

FAMILIES = (socket.AF_UNIX, socket.AF_INET, socket.AF_INET6, 16)  # the last: AF_NETLINK, which only Linux has


class Machine(NamedTuple):
    """A processor architecture as the kernel's filters know it."""

    audit: int
    """Its number in `struct seccomp_data`."""
    socket: int
    """The number of `socket`."""
    withheld: tuple[int, ...]
    """The numbers of add_key, request_key, keyctl; and, the same everywhere, of the three of io_uring."""
    limit: int
    """Numbers from here on belong to a second, foreign set of calls."""


_IO_URING = (425, 426, 427)
MACHINES = {
    "x86_64": Machine(0xC000003E, 41, (248, 249, 250, *_IO_URING), 0x40000000),
    "aarch64": Machine(0xC00000B7, 198, (217, 218, 219, *_IO_URING), 0x40000000),
}
# Instructions: load a word, compare, return. Offsets into `struct seccomp_data`.
_LOAD, _EQUALS, _AT_LEAST, _RETURN = 0x20, 0x15, 0x35, 0x06
_CALL, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16
_ALLOW, _REFUSE = 0x7FFF0000, 0x00050000


def program(machine: str) -> bytes:
    """Return the filter for a kind of machine, one of MACHINES."""
    known = MACHINES[machine]
    refusals = [(_EQUALS, number, errno.EPERM) for number in known.withheld]
    checks = [(_AT_LEAST, known.limit, errno.ENOSYS), *refusals]
    families = [(_EQUALS, int(family)) for family in FAMILIES]
    lines = [_line(_LOAD, _ARCHITECTURE), _line(_EQUALS, known.audit, 1, 0), _line(_RETURN, _REFUSE | errno.ENOSYS)]
    lines.append(_line(_LOAD, _CALL))
    for compare, number, refusal in checks:
        lines += [_line(compare, number, 0, 1), _line(_RETURN, _REFUSE | refusal)]
    lines += [_line(_EQUALS, known.socket, 1, 0), _line(_RETURN, _ALLOW), _line(_LOAD, _FIRST_ARGUMENT)]
    for compare, number in families:
        lines += [_line(compare, number, 0, 1), _line(_RETURN, _ALLOW)]
    return b"".join([*lines, _line(_RETURN, _REFUSE | errno.EAFNOSUPPORT)])


def _line(code: int, value: int, if_true: int = 0, if_false: int = 0) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
