"""Hostile code in a sandbox (specification section 10): what it tries fails, and succeeds outside where it should."""

import json
import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import psutil
import pytest

from activities.sandbox import bubblewrap
from activities.sandbox.sandboxes import Sandboxes
from grammar.documents.models import SandboxChoice
from tests.security.attacks import ATTACKS
from tests.security.sandboxed import CANARY, VARIABLE, needs_sandbox, run

# What nobody can do from here without a sandbox either, or not on every machine.
NOT_OUTSIDE = {
    "write_to_the_system", "change_what_makes_the_sandbox", "use_an_open_descriptor",
    "reach_the_link", "reach_the_host_of_a_virtual_machine", "use_keys_of_the_kernel", "make_calls_past_the_filter",
}  # fmt: skip
OF_ROOT = {
    "read_what_only_root_may", "set_what_the_kernel_runs_on_a_crash", "have_capabilities", "see_the_machines_packets",
}  # fmt: skip


class Ground(NamedTuple):
    """Where the attacks are tried: the run's folder, what they aim at, and what is not to be changed."""

    folder: Path
    targets: dict[str, Any]
    sandboxes: Sandboxes
    files: dict[Path, str]


@contextmanager
def _listening(family: int, address: Any) -> Iterator[Any]:
    with socket.socket(family) as listener:
        listener.bind(address)
        listener.listen()
        yield listener.getsockname()


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Ground]:
    top = tmp_path_factory.mktemp("ground")
    folder, home, elsewhere = top / "folder", top / "home", top / "elsewhere"
    state = folder / "deep/state"
    for path in (home, elsewhere, state / "payloads"):
        path.mkdir(parents=True)
    files = {home / "secret": "s", state / "journal": "j", elsewhere / "file": "f", folder / ".env": f"KEY={CANARY}"}
    for path, text in files.items():
        path.write_text(text)
    (folder / "attacks.py").write_text(Path(__file__).with_name("attacks.py").read_text())
    with ExitStack() as stack:
        _, port = stack.enter_context(_listening(socket.AF_INET, ("0.0.0.0", 0)))
        stack.enter_context(_listening(socket.AF_UNIX, str(elsewhere / "socket")))
        stack.enter_context(_listening(socket.AF_UNIX, f"\0{top}"))
        victim = stack.enter_context(subprocess.Popen(["sleep", "600"], env={"PATH": os.environ["PATH"], "K": CANARY}))
        stack.callback(victim.kill)
        targets = {
            "home": str(home), "state": str(state), "elsewhere": str(elsewhere), "source": __file__,
            "installed": str(Path(sys.prefix, "pyvenv.cfg")),
            "victim": victim.pid, "canary": CANARY, "variable": VARIABLE, "port": port, "address": _own_address(),
            "abstract": str(top), "bubblewrap": shutil.which(bubblewrap.PROGRAM) or "",
        }  # fmt: skip
        stack.enter_context(pytest.MonkeyPatch.context()).setenv("HOME", str(home))
        yield Ground(folder, targets, Sandboxes(hidden=[state / "payloads", state, top / "gone"]), files)


def _own_address() -> str:
    """An address of this machine that is not the loopback's; the loopback's, where it has no other."""
    found = [at.address for ats in psutil.net_if_addrs().values() for at in ats if at.family == socket.AF_INET]
    return next((address for address in found if not address.startswith("127.")), "127.0.0.1")


def _tried(ground: Ground, choice: Any) -> dict[str, str]:
    """What became of each attack. Without a sandbox, the system is left alone."""
    planted = Path("/usr" if choice else ground.folder, f"attack-{os.getpid()}")
    (ground.folder / "targets.json").write_text(json.dumps(ground.targets | {"system": str(planted)}))
    ended = run(f"{sys.executable} attacks.py targets.json", ground.folder, choice, ground.sandboxes)
    for path in (planted, *(ground.folder / name for name in ("moved", "linked", "link"))):
        path.unlink(missing_ok=True)
    found: dict[str, str] = json.loads(ended.out)
    return found


@pytest.fixture(scope="module")
def inside(ground: Ground) -> dict[str, str]:
    """What became of each attack in a sandbox, and of the files."""
    found = _tried(ground, "workspace")
    changed = [path.name for path, text in ground.files.items() if path.read_text() != text]
    return found | {"changed": ", ".join(changed)}


@pytest.fixture(scope="module")
def outside(ground: Ground) -> dict[str, str]:
    """What became of each attack without one."""
    found = _tried(ground, None)
    for path, text in ground.files.items():
        path.write_text(text)
    return found


@needs_sandbox
@pytest.mark.parametrize("name", ATTACKS)
def test_an_attack_fails_in_a_sandbox(name: str, inside: dict[str, str]) -> None:
    assert inside[name] != "done"


@needs_sandbox
def test_no_file_elsewhere_is_changed(inside: dict[str, str]) -> None:
    assert inside["changed"] == ""


@pytest.mark.parametrize("name", sorted(ATTACKS.keys() - NOT_OUTSIDE))
def test_it_succeeds_outside(name: str, outside: dict[str, str]) -> None:
    if name in OF_ROOT and os.geteuid():
        pytest.skip("root alone can do it")
    assert outside[name] == "done"


@needs_sandbox
def test_offline_shows_other_files_and_hides_the_state(ground: Ground) -> None:
    script = f"head -c 4 {os.__file__}; ls {ground.targets['state']}; cat .env"
    assert run(script, ground.folder, "offline", ground.sandboxes).out == 'r"""'
    assert _tried(ground, "offline")["reach_a_server_of_this_machine"] != "done"


# Runs a command whose terminal is a new one.
IN_TERMINAL = """
import os, sys
pid, terminal = os.forkpty()
if not pid:
    os.execv(sys.argv[1], sys.argv[1:])
try:
    while os.read(terminal, 1024):
        pass
except OSError:
    pass  # nobody has the other end any more
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
"""


def _in_terminal(command: list[str], folder: Path) -> None:
    subprocess.run([sys.executable, "-c", IN_TERMINAL, *command], cwd=folder, check=True, timeout=60)


@needs_sandbox
def test_the_terminal_is_not_typed_into(tmp_path: Path) -> None:
    script = "(echo typed > /dev/tty) && touch typed"
    code = (
        f"from pathlib import Path; from tests.security.sandboxed import run; run({script!r}, Path({str(tmp_path)!r}))"
    )
    _in_terminal([sys.executable, "-c", code], Path(__file__).parents[2])
    assert not (tmp_path / "typed").exists()
    _in_terminal(["/bin/bash", "-c", script], tmp_path)
    assert (tmp_path / "typed").exists()


# Limits: of all processes together, and between two looks at them, of each. What breaks one here ends by itself.

# Not touched: where they are given, none is used.
TEN_GB = "PYTHON 'import mmap; print(len(mmap.mmap(-1, 10 << 30, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)))'"


@needs_sandbox
@pytest.mark.parametrize(
    ("script", "limits", "breach"),
    [
        ("for i in $(seq 300); do sleep 20 & done; wait", {"processes": 40}, "processes"),
        (TEN_GB, {}, "Cannot allocate memory"),
        ("for i in 1 2 3 4; do PYTHON 'x = bytearray(24 << 20); HOLD' & done; wait", {"memory": "64M"}, "memory"),
        ("PYTHON 'f = os.memfd_create(str()); [os.write(f, bytes(1 << 20)) for _ in range(99)]; HOLD'",
         {"memory": "64M"}, "memory"),
        ("head -c 200M /dev/zero > /tmp/x", {"memory": "64M"}, "No space left on device"),
        ("head -c 200M /dev/zero > /dev/shm/x", {"memory": "64M"}, "No space left on device"),
        ("head -c 20M /dev/zero > big; echo $?", {"disk": "8M"}, "153"),
        ("for i in 1 2 3 4 5 6; do head -c 4M /dev/zero > big$i; done; sleep 20", {"disk": "8M"}, "disk"),
        ("timeout 20 yes >/dev/null & timeout 20 yes >/dev/null; wait", {"cpu": "1s"}, "cpu"),
    ],
    ids=["a fork bomb", "10 GB", "memory of many", "memory of no process", "temporary files", "shared memory",
         "a large file", "a full disk", "time"],
)  # fmt: skip
def test_a_limit_holds(script: str, limits: dict[str, Any], breach: str, tmp_path: Path) -> None:
    script = script.replace("PYTHON '", f"{sys.executable} -c 'import os, time; ").replace("HOLD", "time.sleep(20)")
    ended = run(script, tmp_path, limits)
    if breach in SandboxChoice.model_fields:
        root = breach == "processes" and os.geteuid()  # others cannot start one more in the first place
        assert ended.breach == breach or (root and "Resource temporarily unavailable" in ended.out)
    else:
        assert (ended.breach, breach in ended.out) == (None, True), ended


@pytest.mark.parametrize(
    ("script", "says"),
    [
        (TEN_GB, "10737418240"),
        ("for i in 1 2 3 4 5 6; do head -c 4M /dev/zero > big$i; done; ls | wc -l", "6"),
    ],
    ids=["10 GB", "a full disk"],
)
def test_it_does_not_hold_outside(script: str, says: str, tmp_path: Path) -> None:
    ended = run(script.replace("PYTHON", f"{sys.executable} -c"), tmp_path, None)
    assert (ended.code, ended.out.strip()) == (0, says)
