"""Programs of other projects and of this one: run to their end, or for the length of a block."""

import os
import pty
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

TIMED_OUT = -1
# In what either engine asks: whether a call may be made. In what ours says before that, each time, and asks after a no.
QUESTION, CALL, WHY = b"yes/no", b"wants to call", b"why not"


@dataclass(frozen=True)
class ProgramResult:
    """How a program ended, and what it wrote to stdout and stderr. `code`: -1 where it had to be stopped."""

    code: int
    output: str
    seconds: float


def run(command: list[str], env: dict[str, str], cwd: Path, seconds: float, typed: str | None = None) -> ProgramResult:
    """Run it, for at most `seconds`.

    With `typed`, in a terminal: that line answers each question about a call, and an empty one why not.
    """
    begun = time.monotonic()
    code, output = _in_terminal(command, env, cwd, seconds, typed) if typed else _run(command, env, cwd, seconds)
    return ProgramResult(code, output, time.monotonic() - begun)


def _run(command: list[str], env: dict[str, str], cwd: Path, seconds: float) -> tuple[int, str]:
    with tempfile.TemporaryFile() as out:  # a file: a daemon that the program leaves behind holds no pipe open
        program = subprocess.Popen(
            command, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=out, stderr=out, start_new_session=True
        )
        code = _wait(program, seconds)
        out.seek(0)
        return code, out.read().decode(errors="replace")


def _in_terminal(command: list[str], env: dict[str, str], cwd: Path, seconds: float, typed: str) -> tuple[int, str]:
    master, slave = pty.openpty()
    program = subprocess.Popen(
        command, env=env, cwd=cwd, stdin=slave, stdout=slave, stderr=slave, start_new_session=True
    )
    os.close(slave)
    output: list[bytes] = []
    reader = threading.Thread(target=_read_terminal, args=(master, output), daemon=True)
    reader.start()
    answering = threading.Thread(target=_answer, args=(master, output, typed, program), daemon=True)
    answering.start()
    code = _wait(program, seconds)
    answering.join()
    reader.join(1)
    os.close(master)
    return code, b"".join(output).decode(errors="replace")


def _answer(master: int, output: list[bytes], typed: str, program: "subprocess.Popen[bytes]") -> None:
    """Type an answer to each question once it is asked. What is typed before a question is no answer to it."""
    answered = 0
    is_told_why = False
    while program.poll() is None:
        told = b"".join(output)
        asked = told.count(CALL) if CALL in told else told.count(QUESTION)
        if answered < asked and QUESTION in told[told.rfind(CALL) + 1 :]:
            answered += 1
            os.write(master, f"{typed}\n".encode())
        elif WHY in told and not is_told_why:
            is_told_why = True
            os.write(master, b"\n")
        time.sleep(0.05)


def _read_terminal(master: int, output: list[bytes]) -> None:
    with suppress(OSError):  # the terminal is gone with its last program
        while chunk := os.read(master, 65536):
            output.append(chunk)


def _wait(program: subprocess.Popen[bytes], seconds: float) -> int:
    try:
        return program.wait(seconds)
    except subprocess.TimeoutExpired:
        stop(program)
        return TIMED_OUT


@contextmanager
def background(
    command: list[str], env: dict[str, str], cwd: Path, until: str = ""
) -> Iterator[subprocess.Popen[bytes]]:
    """Run a program beside the block; the block begins once it has written `until`."""
    with tempfile.TemporaryFile() as out:
        program = subprocess.Popen(command, env=env, cwd=cwd, stdout=out, stderr=out, start_new_session=True)
        try:
            deadline = time.monotonic() + 60
            while until.encode() not in os.pread(out.fileno(), 1 << 20, 0):
                if program.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{command} did not start: {os.pread(out.fileno(), 1 << 16, 0).decode()}")
                time.sleep(0.05)
            yield program
        finally:
            stop(program)


def stop(program: subprocess.Popen[bytes]) -> None:
    """End the program's process group: by SIGTERM, and after 10 s by SIGKILL."""
    for told in (signal.SIGTERM, signal.SIGKILL):
        with suppress(ProcessLookupError):
            os.killpg(program.pid, told)
        with suppress(subprocess.TimeoutExpired):
            program.wait(10)
            return
