"""Fixtures of other rungs that attacks use."""

from tests.activities.conftest import bench, endpoint

__all__ = ["bench", "endpoint"]
