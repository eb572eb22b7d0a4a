"""Servers as forks of a process that has imported what they import, and each as a fresh process all the same."""

import json
import os
import signal
import sys
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import psutil
import pytest
import pytest_asyncio

from activities.guardian import templates as templates_module
from activities.guardian.guarded_process import GuardedProcess
from activities.guardian.messages import StartRequest
from activities.guardian.module_imports import Import, imports
from activities.guardian.pipes import NOTHING, Streams
from activities.guardian.templates import ServerTemplates
from activities.toolboxes import python_command, server_process
from activities.toolboxes.server_spec import ServerSpec
from grammar.documents.models import ServerParams
from grammar.documents.sandbox import PRESETS, Policy
from tests.support.waiting import until

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere, each start is as any")

TOLD = """
import json, os, random, signal, sys, threading
import library
mask = os.umask(0)
signals = {str(number): str(signal.getsignal(number)) for number in signal.Signals}
print(json.dumps({
    "environ": dict(os.environ), "folder": os.getcwd(), "umask": mask, "signals": signals, "path": sys.path,
    "blocked": len(signal.pthread_sigmask(signal.SIG_BLOCK, ())), "arguments": sys.argv, "name": __name__,
    "file": __file__, "ours": [name for name in sys.modules if name.startswith("activities")],
    "open": sorted(set(os.listdir("/proc/self/fd")))[:-1], "leads": os.getsid(0) == os.getpid(),
    "seekable": [stream.seekable() for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "streams": [repr(stream) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "buffers": [repr(type(stream.buffer)) for stream in (sys.stdin, sys.stdout, sys.stderr)],
    "lines": [(stream.line_buffering, stream.write_through, stream.errors) for stream in (sys.stdout, sys.stderr)],
    "threads": threading.active_count(), "number": random.random(), "mine": sys.modules["__main__"].__file__,
}))
"""


class TemplateBench:
    """A package `pack` with a module `told`, beside a module `library` that it imports."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.templates = ServerTemplates()
        self.env = {"PATH": os.environ["PATH"], "PYTHONPATH": str(folder), "SOME": "variable"}
        self.write("pack/__init__.py", f"open({str(folder / 'imported')!r}, 'a').write('pack ')")
        self.write("pack/told.py", TOLD)
        self.write("library.py", f"open({str(folder / 'imported')!r}, 'a').write('library ')")

    def write(self, name: str, text: str) -> Path:
        path = self.folder / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return path

    @property
    def imported(self) -> str:
        return (self.folder / "imported").read_text()

    async def start(self, *args: str, is_repeated: bool = False) -> GuardedProcess:
        argv = [sys.executable, *python_command.arguments(sys.executable, args, {})]
        request = StartRequest(argv, self.env, str(self.folder))
        template = python_command.template(sys.executable, args, {})
        return await self.templates.start(request, template, Streams(stdin=NOTHING), is_repeated)

    async def run(self, *args: str) -> tuple[str, str, int]:
        """What it writes to stdout and to stderr, and its exit code."""
        process = await self.start(*args)
        assert process.stdout
        assert process.stderr
        out, err = await process.stdout.read(), await process.stderr.read()
        code = await process.wait()
        await process.end()
        return out.decode(), err.decode(), code

    async def told(self, *args: str) -> dict[str, Any]:
        out, err, code = await self.run(*args)
        assert code == 0, err
        return dict(json.loads(out))


@pytest_asyncio.fixture(loop_scope="module")
async def bench(tmp_path: Path) -> AsyncIterator[TemplateBench]:
    bench = TemplateBench(tmp_path)
    yield bench
    await bench.templates.close()


@pytest.mark.parametrize(
    "args",
    [
        ("-m", "pack.told", "a b", "-m"),
        ("pack/told.py", "--x"),
        ("-X", "utf8", "-mpack.told"),
        ("-u", "-m", "pack.told"),
    ],
)
async def test_a_fork_is_as_a_fresh_process(bench: TemplateBench, args: tuple[str, ...]) -> None:
    os.umask(before := os.umask(0o27))
    fresh, *forked = [await bench.told(*args) for _ in range(3)]
    assert (fresh["umask"], os.umask(before)) == (before, before)
    numbers = {each.pop("number") for each in (fresh, *forked)}
    assert len(numbers) == 3
    for each in forked:
        assert {name: (told, fresh[name]) for name, told in each.items() if told != fresh[name]} == {}
    assert (fresh["name"], fresh["threads"], fresh["leads"], fresh["ours"]) == ("__main__", 1, True, [])


async def test_what_it_imports_is_imported_once_and_itself_each_time(bench: TemplateBench) -> None:
    for _ in range(4):
        await bench.told("-m", "pack.told")
    # The first start is plain; then there is the template; and of that, three forks.
    assert bench.imported == "pack library library pack pack pack "


async def test_where_others_will_follow_the_first_start_is_a_fork_too(bench: TemplateBench) -> None:
    process = await bench.start("-m", "pack.told", is_repeated=True)
    assert process.stderr
    assert await process.stderr.read() == b""
    await process.end()
    assert bench.imported == "library pack "


async def test_a_start_is_a_fork_of_a_template_that_was_begun_before(bench: TemplateBench) -> None:
    argv = [sys.executable, *python_command.arguments(sys.executable, ["-m", "pack.told"], {})]
    template = python_command.template(sys.executable, ["-m", "pack.told"], {})
    bench.templates.begin(StartRequest(argv, bench.env, str(bench.folder)), template)
    process = await bench.start("-m", "pack.told")
    assert process.stderr
    assert await process.stderr.read() == b""
    await process.end()
    assert bench.imported == "library pack "


async def test_the_end_of_a_fork_is_as_any(bench: TemplateBench) -> None:
    """Buffers are flushed, handlers at exit run, and the exit code is the program's."""
    bench.write("pack/ends.py", "import atexit, sys, library\natexit.register(print, 'at exit')\nprint(1)\nsys.exit(3)")
    bench.write("pack/fails.py", "import library\nprint('out')\nraise ValueError('why')")
    assert [await bench.run("-m", "pack.ends") for _ in range(2)] == [("1\nat exit\n", "", 3)] * 2
    fresh, forked = [await bench.run("-m", "pack.fails") for _ in range(2)]
    assert (forked[0], forked[2]) == (fresh[0], fresh[2]) == ("out\n", 1)
    assert forked[1].endswith("ValueError: why\n")


ENDS = {
    "a file that nobody closed": "kept = open('kept', 'a')\nkept.write('written')\nprint(open('kept').read(), end='')",
    "a thread": "import threading, time\ndef late():\n  time.sleep(0.2)\n  open('kept', 'a').write('thread')\n"
    "threading.Thread(target=late).start()",
    "a text": "sys.exit('a text')",
    "a large code": "sys.exit(300)",
    "a handler that fails": "import atexit\natexit.register(lambda: 1 / 0)",
    "what is left to libraries in C": "import ctypes\nctypes.CDLL(None).printf(b'printed')",
    "a thread that does not end": "import threading, time\n"
    "threading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
}


@pytest.mark.parametrize("source", ENDS.values(), ids=ENDS)
async def test_what_is_done_at_the_end_is_done_by_a_fork_too(bench: TemplateBench, source: str) -> None:
    bench.write("pack/ends.py", f"import library, sys\n{source}\nprint('end')")
    kept = bench.folder / "kept"
    ends = []
    for _ in range(3):
        out, err, code = await bench.run("-m", "pack.ends")
        ends.append((out, err.splitlines()[-1:], code, kept.read_text() if kept.exists() else ""))
        kept.unlink(missing_ok=True)
    assert ends[1:] == [ends[0]] * 2


UNFIT = {
    "threads": "import threading, time\nthreading.Thread(target=time.sleep, args=(600,), daemon=True).start()",
    "files": "kept = open(__file__)",
    "an end": "import sys\nif any('template.py' in word for word in sys.orig_argv): sys.exit()",
    "a hard end": "import os, sys\nif any('template.py' in word for word in sys.orig_argv): os._exit(0)",
    "no end": "import sys, time\nif any('template.py' in word for word in sys.orig_argv): time.sleep(600)",
}


@pytest.mark.parametrize("library", UNFIT.values(), ids=UNFIT)
async def test_where_no_template_can_be_a_start_is_as_any(
    bench: TemplateBench, library: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(templates_module, "PATIENCE", 0.5)
    bench.write("library.py", library)
    bench.write("pack/shown.py", "import library, sys\nprint(sys.orig_argv[1])")
    assert [await bench.run("-m", "pack.shown") for _ in range(3)] == [("-c\n", "", 0)] * 3


async def test_what_cannot_be_imported_is_no_hindrance(bench: TemplateBench) -> None:
    bench.write("pack/tries.py", "import library\ntry:\n  import missing\nexcept ImportError:\n  print('is missing')")
    assert [await bench.run("-m", "pack.tries") for _ in range(2)] == [("is missing\n", "", 0)] * 2
    for _ in range(2):
        out, err, code = await bench.run("-m", "pack.none")
        assert (out, err.splitlines()[-1], code) == ("", "ImportError: No module named pack.none", 1)


async def test_a_template_that_is_killed_costs_nobody_anything(bench: TemplateBench) -> None:
    bench.write("pack/waits.py", "import library, signal\nprint('begun', flush=True)\nsignal.pause()")
    first, forked = [await bench.start("-m", "pack.waits") for _ in range(2)]
    assert forked.stdout
    assert await forked.stdout.readline() == b"begun\n"
    template = _template_of(forked)
    template.send_signal(signal.SIGKILL)
    third = await bench.start("-m", "pack.waits")
    assert third.stdout
    assert await third.stdout.readline() == b"begun\n"
    assert "template.py" not in " ".join(psutil.Process(third.pid).cmdline())
    assert psutil.pid_exists(forked.pid)
    for process in (first, forked, third):
        await process.end()
        until(partial(_is_gone, process.pid))


async def test_nothing_is_left_of_templates(bench: TemplateBench) -> None:
    bench.write("pack/waits.py", "import library, signal\nprint('begun', flush=True)\nsignal.pause()")
    processes = [await bench.start("-m", "pack.waits") for _ in range(3)]
    template = _template_of(processes[1])
    await bench.templates.close()
    until(lambda: not template.is_running())
    until(lambda: not any(psutil.pid_exists(process.pid) for process in processes[1:]))
    await processes[0].end()


async def test_one_that_is_not_used_ends(bench: TemplateBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates_module, "IDLE", 0.0)
    bench.write("pack/waits.py", "import library, signal\nprint('begun', flush=True)\nsignal.pause()")
    first, forked = [await bench.start("-m", "pack.waits") for _ in range(2)]
    template = _template_of(forked)
    assert forked.stdout
    assert await forked.stdout.readline() == b"begun\n"
    await first.end()
    assert template.is_running()  # as long as what came of it runs
    await forked.end()
    until(lambda: not template.is_running() or template.status() == psutil.STATUS_ZOMBIE)


async def test_there_are_no_more_than_some(bench: TemplateBench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(templates_module, "MOST", 1)
    bench.write("pack/waits.py", "import library, signal\nprint('begun', flush=True)\nsignal.pause()")
    first, *forked = [await bench.start("-m", "pack.waits", name) for name in ("a", "a", "b", "b")]
    template = _template_of(forked[0])
    for process in (forked[1], first, forked[0]):
        await process.end()
    until(lambda: not template.is_running() or template.status() == psutil.STATUS_ZOMBIE)
    assert _template_of(forked[2]).is_running()
    await forked[2].end()


def _is_gone(pid: int) -> bool:
    return not psutil.pid_exists(pid)


def _template_of(process: GuardedProcess) -> psutil.Process:
    """A fork's parent is its warden, and that one's the template."""
    warden = psutil.Process(process.pid).parent()
    template = warden and warden.parent()
    assert template
    assert "template.py" in " ".join(template.cmdline())
    return template


def test_preload_is_for_stdio_without_a_sandbox() -> None:
    def template(policy: Policy | None = None, **params: Any) -> list[str]:
        given = ServerParams.model_validate({"kind": "stdio", "command": "python", "args": ["-m", "a"], **params})
        return list(server_process._program(ServerSpec("box", given, 1.0, policy=policy)).template)

    assert template()[-2:] == ["-m", "a"]
    assert template(preload=False) == template(kind="streamable", url="http://127.0.0.1:1/mcp") == []
    assert template(PRESETS["offline"]) == []


SOURCES = {
    "imports": ("import a, b.c as d", [Import("a"), Import("b.c")]),
    "names": ("from a.b import c, d as e", [Import("a.b", ("c", "d"))]),
    "in blocks": (
        "try:\n  import a\nexcept ImportError:\n  import b\nelse:\n  import c\nfinally:\n  import d\n"
        "if x:\n  import e\nelse:\n  import f\nwith y:\n  import g\nclass C:\n  import h",
        [Import(name) for name in "abcdefgh"],
    ),
    "not in functions": ("def f():\n  import a\nasync def g():\n  import b\nh = lambda: __import__('c')", []),
    "not for types": ("from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n  import a\nelse:\n  import b",
                      [Import("typing", ("TYPE_CHECKING",)), Import("b")]),
    "of its own package": ("from . import near\nfrom .near import x\nimport own.other",
                           [Import("of_near"), Import("of_other")]),
    "no Python": ("import a (", []),
}  # fmt: skip


@pytest.mark.parametrize(("source", "found"), SOURCES.values(), ids=SOURCES)
def test_imports_of_a_module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: str, found: list[Import]) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    for name, text in {"__init__": "", "main": source, "near": "import of_near", "other": "import of_other"}.items():
        (tmp_path / "own").mkdir(exist_ok=True)
        (tmp_path / "own" / f"{name}.py").write_text(text)
    assert sorted(imports(["-m", "own.main"])) == sorted(found)


def test_packages_may_have_no_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    (tmp_path / "own" / "deep").mkdir(parents=True)
    (tmp_path / "own" / "deep" / "main.py").write_text("import found, own.deep.other\nfrom own import missing")
    (tmp_path / "own" / "deep" / "other.py").write_text("from . import main\nimport of_other")
    assert imports(["-m", "own.deep.main"]) == [Import("found"), Import("of_other")]
    assert imports(["-m", "no.such.module"]) == []


def test_imports_of_a_script_leave_out_its_folder(tmp_path: Path) -> None:
    (tmp_path / "beside.py").write_text("import of_beside")
    script = tmp_path / "script.py"
    script.write_text("import beside, elsewhere")
    assert imports([str(script)]) == [Import("of_beside"), Import("elsewhere")]


COMMANDS: dict[str, tuple[list[str], list[str] | None]] = {
    "module": (["-m", "a.b", "c"], ["-m", "a.b", "c"]),
    "attached": (["-ma.b", "c"], ["-m", "a.b", "c"]),
    "script": (["a.py", "-m"], ["a.py", "-m"]),
    "code": (["-c", "1"], None),
    "stdin": (["-"], None),
    "isolated": (["-I", "-m", "a"], None),
    "nothing": ([], None),
}


@pytest.mark.parametrize(("args", "ends"), COMMANDS.values(), ids=COMMANDS)
def test_which_commands_have_templates(args: list[str], ends: list[str] | None) -> None:
    found = python_command.template("python3", args, {})
    assert found[2:] == (ends or []) if ends else found == []
    assert python_command.template("node", args, {}) == []
    assert python_command.template("python", args, {python_command.SAFE_PATH: ""}) == []
