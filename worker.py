"""The worker: everything that runs taskflows, registered in one flat list.

python worker.py              serve the task queue until SIGINT or SIGTERM
python worker.py --run ID     serve one run of the embedded server until it ends
python worker.py health       say whether a worker of this machine polls the task queue
"""

from __future__ import annotations

import asyncio
import math
import signal
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import NoReturn

import typer
from temporalio.worker import Interceptor, Worker
from typer._click.exceptions import UsageError  # not among what typer exports

from activities.agent import AgentActivity
from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from activities.count_usage import CountUsageActivity
from activities.endpoint_limits.endpoint_queues import EndpointQueues
from activities.gather import GatherActivity
from activities.guardian.client import GUARDIAN
from activities.prepare import PrepareActivity
from activities.process import preloading
from activities.process.background import Background
from activities.process.completion_batching import CompletionBatching
from activities.process.render import Renderer
from activities.process.secrets import mask_all
from activities.sandbox import sandboxes
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
from grammar.documents.sandbox import RequiredPreset
from grammar.exit_codes import ExitCode
from grammar.limits import check as check_limits
from grammar.messages.names import TASK_QUEUE, limiter_queue
from grammar.printable import printable
from runtime import dot_env, logs, stopping, streams, this_process
from runtime.backend import Backend
from runtime.encryption.sealing import SealedJournals
from runtime.runs import runs
from runtime.sandbox import set_deadlock_timeout
from runtime.signing import keys
from runtime.signing.worker_signing import WorkerSigning
from runtime.worker_family import activity_process, workflow_process
from runtime.worker_family.activity_process import Serve
from runtime.worker_family.at_once import activities_at_once, memory, usual_processes
from runtime.worker_family.family import Family, Role
from runtime.worker_family.member import ParentLink
from runtime.worker_family.workflow_process import WorkflowWorkers
from temporal_taskflow.launch import make_private
from workflows import worker_log
from workflows.allowed_flows import AllowedFlows
from workflows.limiter import EndpointLimiter
from workflows.taskflow import TaskflowWorkflow

# Live progress, and a crash loses no more than this.
HEARTBEAT_INTERVAL = timedelta(seconds=1)
# What ends a worker; and what one that a starter has brought along leaves to the starter, in the same terminal.
ENDING = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)
LEFT_ALONE = (signal.SIGINT, signal.SIGHUP, signal.SIGTSTP)


@dataclass(frozen=True)
class Limits:
    """How much one worker does at once, and how long running activities get when it is told to stop (seconds).

    `flows`: patterns and hashes of the flows whose runs it executes; empty: of all. `sandbox`: the one required.
    `processes`: so many share the activities.
    """

    activities: int = 100
    workflow_tasks: int = 50
    grace: float = 30.0
    flows: tuple[str, ...] = ()
    sandbox: RequiredPreset | None = None
    processes: int = 1

    @property
    def activities_of_one(self) -> int:
        """Return how many activities run at once in one process."""
        return math.ceil(self.activities / self.processes)


@asynccontextmanager
async def workflow_worker(backend: Backend, task_queue: str, limits: Limits = Limits()) -> AsyncIterator[Worker]:
    """Run what serves the workflow tasks of a task queue, for the length of the block."""
    allowed = [AllowedFlows(limits.flows)] if limits.flows else []
    worker = _serving(backend, task_queue, TaskflowWorkflow, limits.workflow_tasks, allowed)
    async with worker:
        yield worker


def limiter_worker(backend: Backend) -> Worker:
    """Return what serves the limiters of model endpoints, which all workers have in common."""
    return _serving(backend, limiter_queue(backend.scope), EndpointLimiter, Limits.workflow_tasks)


def _serving(
    backend: Backend, task_queue: str, workflow: type, at_once: int, interceptors: Sequence[Interceptor] = ()
) -> Worker:
    worker = Worker(
        backend.client,
        task_queue=task_queue,
        workflows=[workflow],
        interceptors=interceptors,
        workflow_runner=WorkerSigning(backend.signer).workflow_runner(),
        identity=this_process.worker_identity(),
        max_concurrent_workflow_tasks=at_once,
    )
    set_deadlock_timeout(worker)
    return worker


@asynccontextmanager
async def activity_workers(backend: Backend, limits: Limits = Limits()) -> AsyncIterator[Serve]:
    """Yield what runs the activities of a task queue. What those of all task queues share lasts for the block."""
    keys.hide()
    documents = backend.documents
    if documents:
        await asyncio.to_thread(documents.tidy)
    renderer = Renderer()
    models = ModelClients(LocalModel(), EndpointQueues(backend.client, backend.scope))
    fences = sandboxes.Sandboxes(limits.sandbox, [*backend.private_folders, *dot_env.files_read()])
    pool = ServerPool(sandboxes=fences)
    background = Background(partial(runs.wait_closed, backend.client))
    signing = WorkerSigning(backend.signer)
    journals = journal_store(backend)
    activities = signing.activities(
        PrepareActivity(renderer, documents).prepare,
        AgentActivity(renderer, models, CompletionBatching(), pool, journals, documents).run_agent,
        ShellActivity(renderer, documents, background, fences).run_shell,
        GatherActivity(documents).gather,
        CountUsageActivity(journals).count_usage,
    )

    def worker(task_queue: str) -> Worker:
        return Worker(
            backend.client,
            task_queue=task_queue,
            activities=activities,
            interceptors=signing.interceptors(),
            identity=this_process.worker_identity(),
            max_concurrent_activities=limits.activities_of_one,
            graceful_shutdown_timeout=timedelta(seconds=limits.grace),
            max_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
            default_heartbeat_throttle_interval=HEARTBEAT_INTERVAL,
        )

    warming_up = asyncio.create_task(renderer.warm_up())
    GUARDIAN.warm_up()
    try:
        yield worker
    finally:
        await background.close()
        await pool.close()
        await models.close()
        await warming_up
        await renderer.close()


@asynccontextmanager
async def running_worker(backend: Backend, task_queue: str, limits: Limits = Limits()) -> AsyncIterator[None]:
    """Run a whole worker in this process, for the length of the block."""
    await preloading.load()  # before any workflow runs: their sandbox swaps `sys.modules`
    workflows = workflow_worker(backend, task_queue, limits)
    async with activity_workers(backend, limits) as serve, serve(task_queue), workflows, limiter_worker(backend):
        yield


def journal_store(backend: Backend) -> JournalStore | None:
    """Return where the journals of agent runs are kept: beside the payloads; None where those are in the history."""
    kept: JournalStore | None = JournalFiles(backend.folder / "journals") if backend.folder else None
    kept = JournalObjects(backend.bucket) if backend.bucket else kept
    return SealedJournals(kept, backend.encryption.codec, backend.encryption.is_on) if kept else None


def family(first: Callable[[ParentLink], Coroutine[None, None, None]], limits: Limits, run_id: str | None) -> Family:
    """Return a worker's processes. `first`: what the one for workflow tasks does. `run_id`: of the one run served."""
    serving = partial(activity_workers, limits=limits)

    def activities(parent: ParentLink) -> Coroutine[None, None, None]:
        preloading.begin()
        return activity_process.serve_activities(parent, serving, is_worker=run_id is None)

    roles = [Role(f"activities {number}", partial(member, activities)) for number in range(1, limits.processes + 1)]
    return Family(
        Role("workflow tasks", partial(member, first), has_stdin=True),
        roles,
        preloading.load_now if limits.processes > 1 else lambda: None,  # one loads it for itself, in its own time
        *((ENDING, ()) if run_id is None else ([signal.SIGTERM], LEFT_ALONE)),
    )


def member(work: Callable[[ParentLink], Coroutine[None, None, None]], link: socket.socket) -> NoReturn:
    """Do the work of one process, and leave."""

    def execute() -> int:
        asyncio.run(work(ParentLink(link)))
        return ExitCode.DONE

    run_and_leave(execute, debug="--debug" in sys.argv)


app = typer.Typer(add_completion=False, rich_markup_mode=None, pretty_exceptions_enable=False)


@app.callback(invoke_without_command=True)
def command(
    context: typer.Context,
    task_queue: options.TaskQueue = TASK_QUEUE,
    run_id: options.RunId = None,
    queries_only: options.QueriesOnly = False,
    allow_flows: options.AllowFlows = None,
    max_concurrent_activities: options.MaxActivities = None,
    max_concurrent_workflow_tasks: options.MaxWorkflowTasks = Limits.workflow_tasks,
    graceful_shutdown_timeout: options.Grace = Limits.grace,
    processes: options.Processes = None,
    require_sandbox: options.RequireSandbox = None,
    env_file: options.EnvFile = None,
    debug: options.Debug = False,
) -> int:
    """Serve taskflow runs until SIGINT or SIGTERM. With no Temporal server configured, an embedded one is run."""
    if context.invoked_subcommand:
        return ExitCode.DONE
    flows = tuple(allow_flows or ())
    activities = max_concurrent_activities or activities_at_once(memory())
    times = (activities, max_concurrent_workflow_tasks, graceful_shutdown_timeout)
    if require_sandbox and not run_id:
        sandboxes.raise_if_unavailable()
    take(env_file, open_screen())
    check_limits()
    logs.set_up(None if run_id else worker_log.NAME, debug, mask_all)
    if run_id and queries_only:
        asyncio.run(workflow_process.answer_queries(workflow_worker, task_queue))
        return ExitCode.DONE
    limits = Limits(*times, flows, require_sandbox, processes or usual_processes())
    serve = WorkflowWorkers(partial(workflow_worker, limits=limits), limiter_worker)
    if run_id:
        first = partial(workflow_process.serve_run, serve=serve, run_id=run_id, task_queue=task_queue)
    else:
        first = partial(workflow_process.serve_queue, serve=serve, task_queue=task_queue)
    return family(first, limits, run_id).run()


@app.command()
def health(task_queue: options.TaskQueue = TASK_QUEUE, env_file: options.EnvFile = None) -> int:
    """Say whether a worker of this machine polls the task queue: exit code 0 if so, else 1."""
    from commands import worker_health

    take(env_file, open_screen())
    code, told = asyncio.run(worker_health.health(task_queue))
    print(printable(told))
    return code


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
