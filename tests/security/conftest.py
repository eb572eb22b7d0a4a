"""Fixtures of the attacks: activities as a worker runs them, and a scripted endpoint."""

from tests.activities.conftest import bench, endpoint

__all__ = ["bench", "endpoint"]
