"""Runs that nobody answers for, or that cannot be read."""

import uuid
from pathlib import Path

import pytest
from temporalio.client import Client
from temporalio.contrib.pydantic import pydantic_data_converter

from grammar.documents.models import Task
from grammar.errors import NoStorage
from grammar.messages.names import WORKFLOW
from grammar.messages.run_bundle import Bundle
from runtime.runs import finding, runs
from runtime.storage.converter import data_converter
from tests.support.dev_server import DevServer


async def test_what_became_of_a_run_whose_worker_has_gone(
    dev_server: DevServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is parked, and its worker is away, or too busy to answer: that is no fault of the run."""
    monkeypatch.setattr(runs, "PATIENCE", 0)
    monkeypatch.setattr(runs, "QUERY_TIMEOUT", 0.1)
    client = await Client.connect(dev_server.address, data_converter=pydantic_data_converter)
    bundle = Bundle(name="f", source="f.yaml", tasks=[Task(name="a", run="ls")], hash="0" * 64)
    run_id = f"unserved-{uuid.uuid4().hex}"
    await client.start_workflow(WORKFLOW, bundle, id=run_id, task_queue="nobody")
    report = await runs.outcome(runs.handle(client, run_id), bundle)
    assert (report.name, report.status) == ("f", "running")


async def test_a_bundle_whose_file_is_gone(dev_server: DevServer, tmp_path: Path) -> None:
    client = await Client.connect(dev_server.address, data_converter=data_converter(tmp_path))
    bundle = Bundle(name="f", source="f.yaml", tasks=[Task(name="a", run="x" * 300_000)], hash="0" * 64)
    run_id = f"large-{uuid.uuid4().hex}"
    await client.start_workflow(WORKFLOW, bundle, id=run_id, task_queue="nobody")
    assert await finding.bundle_of(client, run_id) == bundle
    for file in tmp_path.glob("??/*"):
        file.unlink()
    with pytest.raises(NoStorage, match="is missing: it was deleted, or is on another machine"):
        await finding.bundle_of(client, run_id)
