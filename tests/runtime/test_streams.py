"""The standard streams of a process: what is closed, full or has no reader."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

SAY = "from runtime import streams; streams.prepare(); import sys; from runtime.exit import leave; "


def shell(script: str, line: str = "$PY", **env: str) -> "subprocess.CompletedProcess[bytes]":
    variables = os.environ | {"PY": sys.executable, "SCRIPT": SAY + script} | env
    command = line.replace("$PY", '"$PY" -c "$SCRIPT"')
    return subprocess.run(["bash", "-c", command], env=variables, capture_output=True, check=False, timeout=60)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_a_closed_stream_is_no_stream_of_a_file(closed: str, tmp_path: Path) -> None:
    script = "sys.stdin.read(); f = open('kept', 'w'); print('a'); print('b', file=sys.stderr); f.close(); leave(4)"
    ended = shell(script, f"cd {tmp_path}; PYTHONPATH={Path.cwd()} $PY {closed}")
    assert (ended.returncode, b"Traceback" in ended.stderr) == (4, False)
    assert (tmp_path / "kept").read_bytes() == b""


def test_children_have_all_three(tmp_path: Path) -> None:
    script = "import subprocess; leave(subprocess.call(['bash', '-c', 'echo a && echo b >&2 && cat']))"
    assert shell(script, "$PY <&- >&- 2>&-").returncode == 0


def test_what_nobody_reads_is_dropped() -> None:
    ended = shell(
        "[print('line', flush=True) for _ in range(100_000)]; leave(4)", "$PY | head -1; exit ${PIPESTATUS[0]}"
    )
    assert (ended.returncode, ended.stdout, ended.stderr) == (4, b"line\n", b"")


def test_a_full_disk_is_told_once() -> None:
    script = (
        "from grammar.errors import UserError\ntry: print('a', flush=True)\n"
        "except UserError as error: print(error, file=sys.stderr)\nprint('b', flush=True)\nleave(4)"
    )
    ended = shell(script.replace("; leave", "\nleave"), "$PY >/dev/full")
    assert (ended.returncode, ended.stderr) == (4, b"stdout cannot be written to: No space left on device\n")
    assert shell("print('a', file=sys.stderr); leave(4)", "$PY 2>/dev/full").returncode == 4


def test_what_the_encoding_lacks_is_replaced() -> None:
    assert shell("print('caf\\u00e9'); leave(0)", PYTHONIOENCODING="ascii").stdout == b"caf?\n"
