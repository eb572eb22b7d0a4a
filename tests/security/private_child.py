"""A process of ours that tells of itself, and waits for the end of its stdin. See test_secrets.py."""

import ctypes
import os
import sys


def main() -> None:
    """Print whether others of this user may look into this process, and whether it still has its variable."""
    dumpable = ctypes.CDLL(None).prctl(3, 0, 0, 0, 0)  # PR_GET_DUMPABLE
    print(dumpable, os.environ["AI_API_TOKEN"], flush=True)
    sys.stdin.read()
