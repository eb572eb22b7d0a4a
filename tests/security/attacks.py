"""What hostile code tries: each is a function that raises where it does not succeed. Standard library only.

python attacks.py TARGETS: try all, and print by name what became of each: "done", or why not. TARGETS: a file of JSON.
"""

import ctypes
import json
import os
import platform
import signal
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

ATTACKS: dict[str, Callable[[dict[str, Any]], object]] = {}
LIBC = ctypes.CDLL(None, use_errno=True)
# The numbers of add_key and io_uring_setup.
CALLS = {"x86_64": (248, 425), "aarch64": (217, 425)}.get(platform.machine(), (0, 0))


def attack(function: Callable[[dict[str, Any]], object]) -> Callable[[dict[str, Any]], object]:
    ATTACKS[function.__name__] = function
    return function


def called(result: int) -> None:
    if result < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


# Files


@attack
def read_the_home_folder(t: dict[str, Any]) -> None:
    Path(t["home"], "secret").read_text()


@attack
def write_to_the_home_folder(t: dict[str, Any]) -> None:
    Path(t["home"], "secret").write_text("changed")


@attack
def read_the_state_folder(t: dict[str, Any]) -> None:
    Path(t["state"], "journal").read_text()


@attack
def write_to_the_state_folder(t: dict[str, Any]) -> None:
    Path(t["state"], "journal").write_text("changed")


@attack
def list_the_state_folder(t: dict[str, Any]) -> None:
    assert list(Path(t["state"]).iterdir())


@attack
def move_what_the_state_folder_is_in(t: dict[str, Any]) -> None:
    above = Path(t["state"]).parent
    above.rename("moved")
    Path("moved").rename(above)


@attack
def read_the_keys_of_the_folder(t: dict[str, Any]) -> None:
    assert Path(".env").read_text()


@attack
def link_the_keys_of_the_folder(t: dict[str, Any]) -> None:
    os.link(".env", "linked")
    assert Path("linked").read_text()


@attack
def read_another_folder(t: dict[str, Any]) -> None:
    Path(t["elsewhere"], "file").read_text()


@attack
def write_to_another_folder(t: dict[str, Any]) -> None:
    Path(t["elsewhere"], "file").write_text("changed")


@attack
def leave_by_a_symbolic_link(t: dict[str, Any]) -> None:
    Path("link").symlink_to(t["elsewhere"])
    Path("link", "file").read_text()


@attack
def read_the_rest_of_the_machine(t: dict[str, Any]) -> None:
    Path(t["source"]).read_text()


@attack
def write_to_the_system(t: dict[str, Any]) -> None:
    Path(t["system"]).write_text("planted")


@attack
def change_the_installation(t: dict[str, Any]) -> None:
    assert os.access(t["installed"], os.W_OK)
    os.utime(t["installed"])


@attack
def read_what_only_root_may(t: dict[str, Any]) -> None:
    assert Path("/etc/shadow").read_text()


@attack
def set_what_the_kernel_runs_on_a_crash(t: dict[str, Any]) -> None:
    pattern = Path("/proc/sys/kernel/core_pattern")
    pattern.write_text(pattern.read_text())


@attack
def change_what_makes_the_sandbox(t: dict[str, Any]) -> None:
    """Where nothing runs it, it can be written to, past all mounts."""
    program, there = Path("/proc/1/exe").stat(), Path(t["bubblewrap"])
    assert os.path.samestat(program, there.stat()) and os.access("/proc/1/exe", os.W_OK)


# Processes


@attack
def signal_the_worker(t: dict[str, Any]) -> None:
    os.kill(t["victim"], 0)


@attack
def read_a_workers_variables(t: dict[str, Any]) -> None:
    assert t["canary"] in Path(f"/proc/{t['victim']}/environ").read_text()


@attack
def find_a_key_in_any_environment(t: dict[str, Any]) -> None:
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            found.append(path.read_bytes())
        except OSError:
            continue
    assert any(t["canary"].encode() in environ for environ in found)


@attack
def have_inherited_a_key(t: dict[str, Any]) -> None:
    assert os.environ[t["variable"]] == t["canary"]


@attack
def trace_another_process(t: dict[str, Any]) -> None:
    called(LIBC.ptrace(16, t["victim"], 0, 0))  # PTRACE_ATTACH
    os.waitpid(t["victim"], 0x40000000)  # __WALL
    called(LIBC.ptrace(17, t["victim"], 0, 0))


@attack
def gain_by_a_setuid_program(t: dict[str, Any]) -> None:
    assert "NoNewPrivs:\t0" in Path("/proc/self/status").read_text()


@attack
def have_capabilities(t: dict[str, Any]) -> None:
    assert "CapEff:\t0000000000000000" not in Path("/proc/self/status").read_text()


@attack
def make_a_user_namespace(t: dict[str, Any]) -> None:
    child = os.fork()
    if not child:
        os._exit(LIBC.unshare(0x10000000) and 1)
    assert os.waitpid(child, 0)[1] == 0


@attack
def use_an_open_descriptor(t: dict[str, Any]) -> None:
    listed = [path for path in Path("/proc/self/fd").iterdir() if int(path.name) > 2]
    assert any(path.exists() for path in listed)  # not that of the listing, which is closed by now


# Network


@attack
def reach_a_server_of_this_machine(t: dict[str, Any]) -> None:
    socket.create_connection(("127.0.0.1", t["port"]), 5).close()


@attack
def reach_it_by_the_machines_own_address(t: dict[str, Any]) -> None:
    socket.create_connection((t["address"], t["port"]), 5).close()


@attack
def reach_the_link(t: dict[str, Any]) -> None:
    socket.create_connection(("169.254.169.254", 80), 2).close()


@attack
def reach_a_unix_socket(t: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(f"{t['elsewhere']}/socket")


@attack
def reach_an_abstract_socket(t: dict[str, Any]) -> None:
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(f"\0{t['abstract']}")


@attack
def see_the_machines_packets(t: dict[str, Any]) -> None:
    socket.socket(17, socket.SOCK_RAW).close()  # AF_PACKET


@attack
def reach_the_host_of_a_virtual_machine(t: dict[str, Any]) -> None:
    socket.socket(40, socket.SOCK_STREAM).close()  # AF_VSOCK


@attack
def use_keys_of_the_kernel(t: dict[str, Any]) -> None:
    called(LIBC.syscall(CALLS[0], b"user", b"attack", b"x", 1, -2))  # the process's own keyring


@attack
def make_calls_past_the_filter(t: dict[str, Any]) -> None:
    ring = LIBC.syscall(CALLS[1], 1, ctypes.create_string_buffer(120))  # io_uring
    called(ring)
    os.close(ring)


def tried(function: Callable[[dict[str, Any]], object], targets: dict[str, Any]) -> str:
    try:
        function(targets)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def main() -> None:
    signal.alarm(60)
    targets = json.loads(Path(sys.argv[1]).read_text())
    print(json.dumps({name: tried(function, targets) for name, function in ATTACKS.items()}))


if __name__ == "__main__":
    main()
