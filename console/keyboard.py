"""The keyboard while a run is followed: what is typed is hidden, and is no answer to a question that comes later.

Answers are read key by key, so that the live view can be drawn anew meanwhile.
"""

import asyncio
import codecs
import errno
import os
import re
import signal
import sys
import termios
from collections.abc import Callable
from contextlib import suppress

# How often somebody looks whether a terminal that was taken away is there again, in seconds.
POLL = 0.25
_KEY = re.compile(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1bO.|.", re.DOTALL)
_ENTER = ("\r", "\n")
_BACKSPACE = ("\x7f", "\b")
_CTRL_D, _CTRL_U, _CTRL_W = "\x04", "\x15", "\x17"


class TypedLine:
    """A line as it is being typed, with the keys that edit one in any terminal: backspace, Ctrl-U, Ctrl-W, Ctrl-D."""

    def __init__(self) -> None:
        self.text = ""
        self._keys: list[str] = []
        self._decoder = codecs.getincrementaldecoder("utf-8")("ignore")
        self._is_at_end = False

    def feed(self, typed: bytes) -> None:
        """Take in what the terminal gives; nothing means that there is no more."""
        self._is_at_end = self._is_at_end or not typed
        self._keys += _KEY.findall(self._decoder.decode(typed))

    def take(self) -> str | None:
        """Return the line, once Enter has ended it; None until then. Raises EOFError at Ctrl-D in an empty line."""
        while self._keys:
            key = self._keys.pop(0)
            if key in _ENTER:
                line, self.text = self.text, ""
                return line
            if key == _CTRL_D and not self.text:
                raise EOFError
            self._edit(key)
        if self._is_at_end:
            raise EOFError
        return None

    def _edit(self, key: str) -> None:
        if key in _BACKSPACE:
            self.text = self.text[:-1]
        elif key == _CTRL_U:
            self.text = ""
        elif key == _CTRL_W:
            self.text = re.sub(r"\S*\s*$", "", self.text)
        elif key.isprintable():  # no key that moves about, such as an arrow
            self.text += key


async def read_line(line: TypedLine, changed: Callable[[], None]) -> str:
    """Return the next line that is typed; call `changed` at its start, and after each key.

    Nothing is held up meanwhile, and nothing stays behind where it is cancelled. Raises EOFError where there is none.
    """
    while (typed := line.take()) is None:
        changed()
        await _has_input()
        if not is_ours():  # what is typed is for whoever has the terminal now
            await asyncio.sleep(POLL)
            continue
        try:
            line.feed(os.read(sys.stdin.fileno(), 4096))
        except OSError:  # the terminal is gone
            raise EOFError from None
    return typed


async def _has_input() -> None:
    loop, stdin = asyncio.get_running_loop(), sys.stdin.fileno()
    ready = asyncio.Event()
    loop.add_reader(stdin, ready.set)
    try:
        await ready.wait()
    finally:
        loop.remove_reader(stdin)


def hide() -> None:
    """Hide what is typed: it would stand in the midst of the live view."""
    _set(echo=False, lines=True)


def read_keys() -> None:
    """Hide what is typed, and have it given key by key."""
    _set(echo=False, lines=False)


def restore() -> None:
    """Show what is typed again, and have it given line by line."""
    _set(echo=True, lines=True)


def discard_input() -> None:
    """Drop what has been typed and not been read yet."""
    if is_ours():
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def suspend() -> None:
    """Stop this process until it is told to go on (`fg`)."""
    os.kill(os.getpid(), signal.SIGSTOP)


def is_ours() -> bool:
    """Return whether there is a terminal, and we are in its foreground: who is not would be stopped for touching it.

    One that controls no session of ours (after `setsid`, say) stops nobody.
    """
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except OSError as error:
        return error.errno == errno.ENOTTY
    except ValueError:
        return False


def is_away() -> bool:
    """Return whether somebody else has our terminal, such as the shell after Ctrl-Z and `bg`."""
    return sys.stdin.isatty() and not is_ours()


def _set(echo: bool, lines: bool) -> None:
    if not is_ours():
        return
    with suppress(termios.error):
        settings = termios.tcgetattr(sys.stdin.fileno())
        for flag, is_on in ((termios.ECHO, echo), (termios.ICANON, lines)):
            settings[3] = settings[3] | flag if is_on else settings[3] & ~flag
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, settings)
