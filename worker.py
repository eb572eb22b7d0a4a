"""The worker: everything that runs taskflows, registered in one flat list.

python worker.py              serve the task queue until SIGINT or SIGTERM
python worker.py --run ID     serve one run of the embedded server until it ends
"""

from __future__ import annotations

import asyncio
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path

import typer
from temporalio.client import Client
from temporalio.worker import Worker
from typer._click.exceptions import UsageError  # not among what typer exports

from activities.agent import AgentActivity
from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from activities.gather import GatherActivity
from activities.prepare import PrepareActivity
from activities.process import preloading
from activities.process.background import Background
from activities.process.completion_batching import CompletionBatching
from activities.process.render import Renderer
from activities.process.secrets import mask_all
from activities.shell import ShellActivity
from activities.storage.journal_files import JournalFiles
from activities.storage.journal_objects import JournalObjects
from activities.storage.journal_store import JournalStore
from activities.toolboxes.pool import ServerPool
from commands import worker_options as options
from commands.command_group import usage_problem
from commands.env_file import take
from commands.process_edge import run_and_leave
from console.screen import open_screen
from grammar.exit_codes import ExitCode
from grammar.limits import check as check_limits
from grammar.messages.names import TASK_QUEUE
from grammar.printable import printable
from runtime import logs, stopping, streams, this_process
from runtime.adoption import adopt_runs
from runtime.backend import Backend, open_backend
from runtime.encryption.sealing import SealedJournals
from runtime.local_server import worker_locks
from runtime.runs import runs
from runtime.sandbox import set_deadlock_timeout
from runtime.signing import keys
from runtime.signing.worker_signing import WorkerSigning
from temporal_taskflow.launch import make_private
from workflows import worker_log
from workflows.allowed_flows import AllowedFlows
from workflows.taskflow import TaskflowWorkflow

# Live progress, and a crash loses no more than this.
HEARTBEAT_INTERVAL = timedelta(seconds=1)


@dataclass(frozen=True)
class Limits:
    """How much one worker does at once, and how long running activities get when it is told to stop (seconds).

    `flows`: patterns and hashes of the flows whose runs it executes; empty: of all.
    """

    activities: int = 100
    workflow_tasks: int = 50
    grace: float = 30.0
    flows: tuple[str, ...] = ()


@asynccontextmanager
async def query_worker(backend: Backend, task_queue: str) -> AsyncIterator[Worker]:
    """Run a worker that answers queries about runs, and does none of their work, for the length of the block."""
    runner = WorkerSigning(backend.signer).workflow_runner()
    async with Worker(
        backend.client, task_queue=task_queue, workflows=[TaskflowWorkflow], workflow_runner=runner
    ) as worker:
        set_deadlock_timeout(worker)
        yield worker


@asynccontextmanager
async def running_worker(backend: Backend, task_queue: str, limits: Limits = Limits()) -> AsyncIterator[Worker]:
    """Run a worker that serves the task queue for the length of the block."""
    keys.hide()
    await preloading.load()  # before any workflow runs
    documents = backend.documents
    if documents:
        await asyncio.to_thread(documents.tidy)
    renderer = Renderer()
    models = ModelClients(LocalModel())
    pool = ServerPool()
    background = Background(partial(runs.wait_closed, backend.client))
    signing = WorkerSigning(backend.signer)
    worker = Worker(
        backend.client,
        task_queue=task_queue,
        workflows=[TaskflowWorkflow],
        activities=signing.activities(
            PrepareActivity(renderer, documents).prepare,
            AgentActivity(renderer, models, CompletionBatching(), pool, journal_store(backend), documents).run_agent,
            ShellActivity(renderer, documents, background).run_shell,
            GatherActivity(documents).gather,
        ),
        interceptors=[*signing.interceptors(), *([AllowedFlows(limits.flows)] if limits.flows else [])],
        workflow_runner=signing.workflow_runner(),
        identity=this_process.worker_identity(),
        max_concurrent_activities=limits.activities,
        max_concurrent_workflow_tasks=limits.workflow_tasks,
        graceful_shutdown_timeout=timedelta(seconds=limits.grace),
        max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        default_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
    )
    set_deadlock_timeout(worker)
    warming_up = asyncio.create_task(renderer.warm_up())
    try:
        async with worker:
            yield worker
    finally:
        await background.close()
        await pool.close()
        await models.close()
        await warming_up
        await renderer.close()


def journal_store(backend: Backend) -> JournalStore | None:
    """Return where the journals of agent runs are kept: beside the payloads; None where those are in the history."""
    kept: JournalStore | None = JournalFiles(backend.folder / "journals") if backend.folder else None
    kept = JournalObjects(backend.bucket) if backend.bucket else kept
    return SealedJournals(kept, backend.encryption.codec, backend.encryption.is_on) if kept else None


async def serve(task_queue: str, limits: Limits) -> None:
    """Serve the task queue, and runs of the embedded server that nobody serves, until told to stop."""
    stop = stopping.on_signals(signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
    ready = asyncio.Event()
    serving = asyncio.create_task(serve_until(stop, ready, task_queue, limits))
    await stopping.first(stop.wait(), ready.wait(), asyncio.shield(serving))
    if not ready.is_set() and not serving.done():  # nothing is served yet: what is still starting is not waited for
        serving.cancel()
    await asyncio.wait([serving])
    if not serving.cancelled():
        serving.result()


async def serve_until(stop: asyncio.Event, ready: asyncio.Event, task_queue: str, limits: Limits) -> None:
    """Serve until `stop` is set; set `ready` once that has begun."""
    async with AsyncExitStack() as stack:
        backend = await stack.enter_async_context(open_backend(ui=True))
        if backend.embedded:
            stack.callback(worker_locks.serve_as_worker().release)
        await stack.enter_async_context(running_worker(backend, task_queue, limits))
        print_serving(backend, task_queue)
        ready.set()
        if backend.embedded:
            adopting = asyncio.create_task(adopt_runs(backend.client, partial(running_worker, backend, limits=limits)))
            stack.callback(adopting.cancel)
        await stop.wait()
        print("stopping: running activities get their time", file=sys.stderr, flush=True)


async def serve_run(run_id: str, task_queue: str, limits: Limits) -> None:
    """Serve one run until it has ended and whoever started this process has closed its stdin."""
    stop = stopping.on_signals(signal.SIGTERM)
    stopping.ignore(signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)
    unfollowed = asyncio.create_task(stopping.stdin_closed())
    async with open_backend() as backend:
        over = asyncio.create_task(stopping.first(stop.wait(), run_over(backend.client, run_id, unfollowed)))
        lock = await worker_locks.wait_for_run(task_queue, over.done)  # another worker may have adopted the run
        if lock is None:
            return
        try:
            async with running_worker(backend, task_queue, limits):
                await over
        finally:
            lock.release()


async def answer_queries(task_queue: str) -> None:
    """Answer queries about a run until stdin is closed, unless another worker serves the run."""
    stop = stopping.on_signals(signal.SIGTERM)
    stopping.ignore(signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)
    async with open_backend() as backend:
        if lock := worker_locks.serve_run(task_queue):
            try:
                async with query_worker(backend, task_queue):
                    await stopping.first(stop.wait(), stopping.stdin_closed())
            finally:
                lock.release()


async def run_over(client: Client, run_id: str, unfollowed: asyncio.Task[None]) -> None:
    """Return when nobody follows the run any more and it is closed or parked, or was never started."""
    await unfollowed
    await runs.wait_over(client, run_id)


def print_serving(backend: Backend, task_queue: str) -> None:
    """Print the task queue, the server, which model answers, and the Web UI where it is known, to stderr."""
    ui = f"; Web UI {backend.ui_page()}" if backend.ui_url else ""
    model = this_process.setup().answers
    print(printable(f"serving task queue {task_queue} at {backend.address}; {model}{ui}"), file=sys.stderr, flush=True)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.command()
def command(
    task_queue: options.TaskQueue = TASK_QUEUE,
    run_id: options.RunId = None,
    queries_only: options.QueriesOnly = False,
    allow_flows: options.AllowFlows = None,
    max_concurrent_activities: options.MaxActivities = Limits.activities,
    max_concurrent_workflow_tasks: options.MaxWorkflowTasks = Limits.workflow_tasks,
    graceful_shutdown_timeout: options.Grace = Limits.grace,
    env_file: options.EnvFile = None,
    debug: options.Debug = False,
) -> int:
    """Serve taskflow runs until SIGINT or SIGTERM. With no Temporal server configured, an embedded one is run."""
    flows = tuple(allow_flows or ())
    limits = Limits(max_concurrent_activities, max_concurrent_workflow_tasks, graceful_shutdown_timeout, flows)
    take(env_file, open_screen())
    check_limits()
    logs.set_up(None if run_id else worker_log.NAME, debug, mask_all)
    if run_id and queries_only:
        asyncio.run(answer_queries(task_queue))
    else:
        preloading.begin()
        asyncio.run(serve_run(run_id, task_queue, limits) if run_id else serve(task_queue, limits))
    return ExitCode.DONE


def execute() -> int:
    """Do what the command line says. Return the exit code. Raises UserError."""
    name = "taskflow-worker" if Path(sys.argv[0]).stem == "taskflow-worker" else "worker.py"
    try:
        code = app(prog_name=name, standalone_mode=False) or ExitCode.DONE
    except UsageError as error:
        raise usage_problem(error) from error
    if code == ExitCode.INTERRUPTED:  # so typer says it
        raise KeyboardInterrupt
    return code


def main() -> None:
    """Run the command line, as the console script `taskflow-worker` or as `worker.py`, and leave."""
    streams.prepare()
    stopping.interrupt_on(signal.SIGTERM, signal.SIGHUP)
    run_and_leave(execute, debug="--debug" in sys.argv)


if __name__ == "__main__":
    make_private()
    main()
