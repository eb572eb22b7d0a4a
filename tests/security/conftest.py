"""Desks and endpoints of the end-to-end tests, for attacks on whole runs."""

from tests.e2e.conftest import desk, remote, scripted

__all__ = ["desk", "remote", "scripted"]
