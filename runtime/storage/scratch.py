"""Folders for what a process works on: in plain, gone with the process, and nothing of them stays after a kill."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_NAME = "taskflow-scratch-"


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Make a folder in the system's temporary one, for this user alone; it is gone at the end of the block.

    What processes of this user left, which were killed, is removed first.
    """
    _remove_left_behind()
    # It is locked before it has the name by which others would take it for left behind.
    made = Path(tempfile.mkdtemp(prefix="taskflow-"))
    lock = os.open(made, os.O_RDONLY)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX)
        folder = made.rename(made.with_name(_NAME + made.name))
        try:
            yield folder
        finally:
            shutil.rmtree(folder, ignore_errors=True)
    finally:
        os.close(lock)


def _remove_left_behind() -> None:
    for folder in Path(tempfile.gettempdir()).glob(f"{_NAME}*"):
        with suppress(OSError):  # somebody else's, or in use, or gone by now
            lock = os.open(folder, os.O_RDONLY | os.O_NOFOLLOW | os.O_DIRECTORY)
            try:
                if os.fstat(lock).st_uid == os.geteuid():
                    fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    shutil.rmtree(folder)
            finally:
                os.close(lock)
