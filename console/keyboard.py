"""The keyboard while nobody is asked: what is typed is not shown, and is no answer to a question that comes later."""

import os
import signal
import sys
import termios
from contextlib import suppress


def disable_echo() -> None:
    """Hide what is typed: it would stand in the midst of the live view."""
    _set_echo(False)


def enable_echo() -> None:
    """Show what is typed again."""
    _set_echo(True)


def discard_input() -> None:
    """Drop what has been typed and not been read yet."""
    if _is_ours():
        termios.tcflush(sys.stdin.fileno(), termios.TCIFLUSH)


def suspend() -> None:
    """Stop this process until it is told to go on (`fg`)."""
    os.kill(os.getpid(), signal.SIGSTOP)


def _set_echo(on: bool) -> None:
    if not _is_ours():
        return
    with suppress(termios.error):
        settings = termios.tcgetattr(sys.stdin.fileno())
        settings[3] = settings[3] | termios.ECHO if on else settings[3] & ~termios.ECHO
        termios.tcsetattr(sys.stdin.fileno(), termios.TCSANOW, settings)


def _is_ours() -> bool:
    """Whether there is a terminal, and we are in its foreground: who is not would be stopped for touching it."""
    try:
        return sys.stdin.isatty() and os.tcgetpgrp(sys.stdin.fileno()) == os.getpgrp()
    except (OSError, ValueError):
        return False
