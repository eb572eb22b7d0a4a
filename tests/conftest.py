"""Fixtures that more than one rung of the ladder uses."""

import os

import pytest

from tests.support.dev_server import DevServer, dev_server, lone_server
from tests.support.s3_server import S3, s3, s3_server

__all__ = ["S3", "DevServer", "dev_server", "lone_server", "s3", "s3_server"]


def pytest_xdist_auto_num_workers() -> int:
    """Two for each processor, as tests wait for processes half of their time; no more than memory is there for."""
    return min(2 * (os.cpu_count() or 1), 8)


SETTINGS = {
    "AI_API_ENDPOINT", "AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY", "OPENAI_BASE_URL", "MODEL_TEMP",
    "COPILOT_DEFAULT_MODEL", "MODEL_PARALLEL_TOOL_CALLS", "TEMPORAL_ADDRESS", "TEMPORAL_PROFILE",
    "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL", "COPILOT_INTEGRATION_ID",
}  # fmt: skip


@pytest.fixture(autouse=True)
def _no_settings_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """What the person who runs the tests has configured must not reach them."""
    for name in list(os.environ):
        if name in SETTINGS or name.startswith("TASKFLOW_"):
            monkeypatch.delenv(name)
