"""What the server holds that no key signed: runs of a version of before there were signatures.

Workers go on with them all the same. So what is there when the key is made is written down, and that is believed
later; a run that only says of itself that it is old is not.
"""

from collections.abc import AsyncIterator
from pathlib import Path

from temporalio.api.common.v1 import Payload
from temporalio.api.history.v1 import HistoryEvent
from temporalio.client import Client
from temporalio.common import RawValue

from runtime.runs import executions
from runtime.signing import keys, subjects
from runtime.signing.signature import Signer, Subject


async def owner(client: Client, folder: Path) -> Signer:
    """Return the signer of the state folder, made if there is none. Raises RPCError, UserError."""
    while (signer := keys.owner(folder)) is None:
        made = keys.new()
        keys.keep(folder, made, sorted(await _before(client, made)))
    return signer


async def _before(client: Client, signer: Signer) -> set[str]:
    """Return what the signer is to believe: what open runs began with and got, and which histories are over."""
    found = set[str]()
    for run in await executions.list_all(client):
        found |= {history.run_id for history in run.executions if history.closed}
        for history in run.executions:
            if history.closed is None:
                with executions.unless_forgotten():
                    async for payload, subject in _unsigned(client, run.id, history.run_id):
                        found.add(signer.signature(payload, (*subject, history.run_id)))
    return found


async def _unsigned(client: Client, run_id: str, history_id: str) -> AsyncIterator[tuple[Payload, Subject]]:
    """Yield each payload of the history that workers look at, and what it is about."""
    activities = dict[int, tuple[str, str]]()
    async for event in client.get_workflow_handle(run_id, run_id=history_id).fetch_history_events():
        if event.HasField("workflow_execution_started_event_attributes"):
            yield await _input(client, run_id, event)
        elif event.HasField("activity_task_scheduled_event_attributes"):
            scheduled = event.activity_task_scheduled_event_attributes
            activities[event.event_id] = (scheduled.activity_type.name, scheduled.activity_id)
            subject = subjects.activity(client.namespace, run_id, *activities[event.event_id])
            yield await _plain(client, scheduled.input.payloads[0]), subject
        elif event.HasField("activity_task_completed_event_attributes"):
            completed = event.activity_task_completed_event_attributes
            subject = subjects.result(client.namespace, run_id, *activities[completed.scheduled_event_id])
            yield await _plain(client, completed.result.payloads[0]), subject


async def _input(client: Client, run_id: str, event: HistoryEvent) -> tuple[Payload, Subject]:
    started = event.workflow_execution_started_event_attributes
    memo = {name: await _plain(client, payload) for name, payload in started.memo.fields.items()}
    subject = subjects.run(client.namespace, started.workflow_type.name, run_id, memo)
    return await _plain(client, started.input.payloads[0]), subject


async def _plain(client: Client, payload: Payload) -> Payload:
    """Return the payload as workers see it: out of storage, and decoded."""
    (value,) = await client.data_converter.decode([payload], [RawValue])
    raw: RawValue = value
    return raw.payload
