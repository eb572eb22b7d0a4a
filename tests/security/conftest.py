"""Fixtures of other rungs, for attacks: desks and endpoints of whole runs, and one of agent runs."""

from tests.activities.conftest import bench, endpoint
from tests.e2e.conftest import desk, remote, scripted

__all__ = ["bench", "desk", "endpoint", "remote", "scripted"]
