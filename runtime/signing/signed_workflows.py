"""Workflows that begin with what their owner signed, and go on with what workers of the owner's gave, and with no more.

It is looked at between the server and the workflow sandbox: there the payloads are plain, and have their metadata, and
the key stays out of the workflow's sight. What is refused, the workflow never sees.
"""

import logging
from collections.abc import Sequence
from typing import Any

from temporalio.api.enums.v1.command_type_pb2 import COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK
from temporalio.api.failure.v1 import ApplicationFailureInfo, Failure
from temporalio.bridge.proto.workflow_activation import InitializeWorkflow, ResolveActivity, WorkflowActivation
from temporalio.bridge.proto.workflow_commands import (
    ContinueAsNewWorkflowExecution,
    FailWorkflowExecution,
    QueryResult,
    ScheduleActivity,
    UpdateResponse,
    WorkflowCommand,
)
from temporalio.bridge.proto.workflow_completion import Failure as TaskFailure
from temporalio.bridge.proto.workflow_completion import WorkflowActivationCompletion
from temporalio.converter import (
    SerializationContext,
    StorageDriverStoreContext,
    StorageDriverWorkflowInfo,
)
from temporalio.worker import WorkflowInstance, WorkflowInstanceDetails, WorkflowRunner
from temporalio.workflow import Info

from grammar.errors import NotSigned
from runtime.signing import subjects
from runtime.signing.signature import Signer
from runtime.signing.signed_signals import SignedSignals

UNSIGNED_RUN = "its input is not signed by the owner of this worker: nothing of it was executed"
UNSIGNED_RESULT = "what activity {} gave is not from a worker of the run's owner: the run does not go on with it"
UNSIGNED_MESSAGE = "it is not signed by the run's owner, or was sent a second time"
SHOWN = 100
REFUSED_FLAG = 7001
"""What the history keeps of a workflow task in which a run was refused: a replay does the same."""

_log = logging.getLogger("taskflow.signing")


class SignedWorkflowRunner(WorkflowRunner):
    """Run workflows as `runner` does, of what is signed, and sign what they ask for."""

    def __init__(self, runner: WorkflowRunner, signer: Signer) -> None:
        self._runner = runner
        self._signer = signer

    def prepare_workflow(self, defn: Any) -> None:
        """Prepare for the workflows of a definition."""
        self._runner.prepare_workflow(defn)

    def create_instance(self, det: WorkflowInstanceDetails) -> WorkflowInstance:
        """Return the workflow of one history."""
        return _SignedWorkflow(self._runner.create_instance(det), self._signer, det.info)

    def set_worker_level_failure_exception_types(self, types: Sequence[type[BaseException]]) -> None:
        """Hand on which exceptions fail a workflow."""
        self._runner.set_worker_level_failure_exception_types(types)


class _SignedWorkflow(WorkflowInstance):
    """Stand between the server and one history's workflow."""

    def __init__(self, workflow: WorkflowInstance, signer: Signer, info: Info) -> None:
        self._workflow, self._signer, self._info = workflow, signer, info
        stored_for = StorageDriverWorkflowInfo(
            namespace=info.namespace, id=info.workflow_id, run_id=info.run_id, type=info.workflow_type
        )
        self._store_context = StorageDriverStoreContext(target=stored_for)
        self._run = (info.namespace, info.workflow_id)
        self._signals: SignedSignals | None = None
        self._activities: dict[int, tuple[str, str]] = {}
        self._doubt = ""
        self._is_refused = False

    def activate(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Hand on what is signed, and sign what comes back.

        What is replayed was done, by whomever; and of a run of before there were signatures, people may ask. So a
        doubt only counts where something new is to be done.
        """
        if any(job.HasField("remove_from_cache") for job in act.jobs):
            return self._workflow.activate(act)
        self._look_at(act)
        if self._is_refused or REFUSED_FLAG in act.available_internal_flags or (self._doubt and _is_new(act)):
            return self._refuse(act)
        rejections = self._without_unsigned_messages(act)
        completion = self._workflow.activate(act)
        if not self._doubt or self._signer.was_over(self._info.run_id):
            for command in completion.successful.commands:
                self._sign(command, act)
        completion.successful.commands.extend(rejections)
        return completion

    def get_serialization_context(self, command_info: Any) -> SerializationContext | None:
        """Return None: no codec of ours asks in which context it encodes (runtime/encryption).

        To ask the workflow would mean to enter its sandbox, several times for each payload.
        """
        return None

    def get_external_store_context(self, command_info: Any) -> StorageDriverStoreContext:
        """Return the context in which payloads are stored. Those of no command, and activities', are the workflow's."""
        if command_info is None or command_info.command_type == COMMAND_TYPE_SCHEDULE_ACTIVITY_TASK:
            return self._store_context
        return self._workflow.get_external_store_context(command_info)

    def get_info(self) -> Info:
        """Return what is known of the workflow."""
        return self._info

    def get_thread_id(self) -> int | None:
        """Return the thread that the workflow runs on."""
        return self._workflow.get_thread_id()

    # What comes in

    def _look_at(self, act: WorkflowActivation) -> None:
        """See whether everything that comes in is signed."""
        for job in act.jobs:
            if job.HasField("initialize_workflow") and not self._may_begin(job.initialize_workflow):
                self._doubt = f"{UNSIGNED_RUN}. It was started by {_shown(job.initialize_workflow.identity)}"
            if job.HasField("resolve_activity") and not self._may_go_on(job.resolve_activity):
                self._doubt = UNSIGNED_RESULT.format(_shown(self._activities[job.resolve_activity.seq][1]))

    def _may_begin(self, init: InitializeWorkflow) -> bool:
        inputs = init.arguments
        self._signals = SignedSignals(self._signer, *self._run, inputs[0]) if inputs else None
        if not self._signer.requires:
            return True
        found = subjects.of_input(self._info.namespace, init.workflow_type, init.workflow_id, init.memo.fields)
        history = self._info.run_id
        return len(inputs) == 1 and any(self._signer.accepts(inputs[0], subject, history) for subject in found)

    def _may_go_on(self, resolved: ResolveActivity) -> bool:
        if not self._signer.requires or not resolved.result.HasField("completed"):
            return True
        subject = subjects.result(*self._run, *self._activities[resolved.seq])
        return self._signer.accepts(resolved.result.completed.result, subject, self._info.run_id)

    def _refuse(self, act: WorkflowActivation) -> WorkflowActivationCompletion:
        """Return what is answered in the workflow's place: a run that has not begun fails, another one stands still."""
        if queries := [job.query_workflow.query_id for job in act.jobs if job.HasField("query_workflow")]:
            return self._no_answers(queries)
        if not act.is_replaying:
            _log.warning("run %s is refused: %s", _shown(self._info.workflow_id), self._doubt)
        if not any(job.HasField("initialize_workflow") for job in act.jobs):
            return WorkflowActivationCompletion(failed=TaskFailure(failure=_failure(self._doubt)))
        self._is_refused = True
        failed = FailWorkflowExecution(failure=_failure(self._doubt))
        completion = _completion(WorkflowCommand(fail_workflow_execution=failed))
        completion.successful.used_internal_flags.append(REFUSED_FLAG)
        return completion

    def _no_answers(self, queries: Sequence[str]) -> WorkflowActivationCompletion:
        failure = _failure(f"run {self._info.workflow_id} was refused: {self._doubt}")
        results = [QueryResult(query_id=query, failed=failure) for query in queries]
        return _completion(*(WorkflowCommand(respond_to_query=result) for result in results))

    def _without_unsigned_messages(self, act: WorkflowActivation) -> list[WorkflowCommand]:
        """Take out messages that the run does not take. Return the answers to updates among them."""
        if self._signals is None:
            return []
        rejections, refused = list[WorkflowCommand](), list[int]()
        for index, job in enumerate(act.jobs):
            update, signal = job.do_update, job.signal_workflow
            if job.HasField("do_update") and not self._signals.takes_update(update):
                refused.append(index)
                self._tell_refused(update.name, update.meta.identity)
                rejections.append(_rejection(update.protocol_instance_id))
            elif job.HasField("signal_workflow") and not self._signals.takes_signal(signal):
                refused.append(index)
                if not act.is_replaying:
                    self._tell_refused(signal.signal_name, signal.identity)
        for index in reversed(refused):
            del act.jobs[index]
        return rejections

    def _tell_refused(self, name: str, identity: str) -> None:
        _log.warning(
            "run %s does not take %s from %s: %s", *map(_shown, (self._run[1], name, identity)), UNSIGNED_MESSAGE
        )

    # What goes out

    def _sign(self, command: WorkflowCommand, act: WorkflowActivation) -> None:
        if command.HasField("schedule_activity"):
            self._sign_activity(command.schedule_activity)
        elif command.HasField("continue_as_new_workflow_execution"):
            self._sign_next_history(command.continue_as_new_workflow_execution)
        elif command.HasField("respond_to_query") and command.respond_to_query.HasField("succeeded"):
            answer = command.respond_to_query
            asked = {job.query_workflow.query_id: job.query_workflow.query_type for job in act.jobs}
            self._signer.sign(answer.succeeded.response, subjects.answer(*self._run, asked[answer.query_id]))

    def _sign_activity(self, scheduled: ScheduleActivity) -> None:
        self._activities[scheduled.seq] = (scheduled.activity_type, scheduled.activity_id)
        subject = subjects.activity(*self._run, scheduled.activity_type, scheduled.activity_id)
        for argument in scheduled.arguments:
            self._signer.sign(argument, subject)

    def _sign_next_history(self, command: ContinueAsNewWorkflowExecution) -> None:
        for argument in command.arguments:
            if self._signals:
                self._signals.carry(argument)
            # Of the memo, the next history gets what this one began with.
            self._signer.sign(argument, subjects.run(*self._begun(command.workflow_type), self._info.raw_memo))

    def _begun(self, workflow_type: str) -> tuple[str, str, str]:
        return self._info.namespace, workflow_type or self._info.workflow_type, self._info.workflow_id


def _is_new(act: WorkflowActivation) -> bool:
    return not act.is_replaying and not all(job.HasField("query_workflow") for job in act.jobs)


def _shown(text: str) -> str:
    """Return what somebody else may have chosen, as it can be logged: short, and without control codes."""
    return repr(text if len(text) <= SHOWN else f"{text[:SHOWN]} ...")


def _rejection(update: str) -> WorkflowCommand:
    rejected = UpdateResponse(protocol_instance_id=update, rejected=_failure(UNSIGNED_MESSAGE))
    return WorkflowCommand(update_response=rejected)


def _failure(text: str) -> Failure:
    info = ApplicationFailureInfo(type=NotSigned.__name__, non_retryable=True)
    return Failure(message=text, source="taskflow", application_failure_info=info)


def _completion(*commands: WorkflowCommand) -> WorkflowActivationCompletion:
    completion = WorkflowActivationCompletion()
    completion.successful.SetInParent()
    completion.successful.commands.extend(commands)
    return completion
