"""What a client asks of the server, signed: starts, schedules, signals and updates."""

import copy
import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any

from temporalio.api.common.v1 import Payload
from temporalio.client import (
    Client,
    CreateScheduleInput,
    Interceptor,
    OutboundInterceptor,
    QueryWorkflowInput,
    ScheduleActionStartWorkflow,
    ScheduleHandle,
    SignalWorkflowInput,
    StartWorkflowInput,
    StartWorkflowUpdateInput,
    StartWorkflowUpdateWithStartInput,
    WorkflowHandle,
    WorkflowUpdateHandle,
)
from temporalio.common import RawValue
from temporalio.converter import PayloadConverter

from grammar.errors import NotTakenOver
from grammar.messages.names import WORKFLOW
from runtime.signing import signed_signals, subjects
from runtime.signing.signature import Signer, Subject

BELIEVED = "given_before"
"""The query whose answer goes into the input of a new run, which is signed."""


def signed(client: Client, signer: Signer) -> Client:
    """Return a client of the same connection that signs."""
    config = client.config()
    interceptor = _SigningInterceptor(signer, client.namespace, client.data_converter.payload_converter)
    return Client(**config | {"interceptors": [*config["interceptors"], interceptor]})


class _SigningInterceptor(Interceptor):
    def __init__(self, signer: Signer, namespace: str, converter: PayloadConverter) -> None:
        self._arguments = (signer, namespace, converter)

    def intercept_client(self, next: OutboundInterceptor) -> OutboundInterceptor:  # noqa: A002 (the SDK's)
        """Return what stands between the client's methods and the server."""
        return _SignedCalls(next, *self._arguments)


class _SignedCalls(OutboundInterceptor):
    def __init__(
        self, following: OutboundInterceptor, signer: Signer, namespace: str, converter: PayloadConverter
    ) -> None:
        super().__init__(following)
        self._signer, self._namespace, self._converter = signer, namespace, converter

    async def start_workflow(self, input: StartWorkflowInput) -> WorkflowHandle[Any, Any]:  # noqa: A002 (the SDK's)
        """Sign the run's input, together with what its memo says of its starter."""
        subject = subjects.run(self._namespace, input.workflow, input.id, self._memo(input.memo))
        input.args = self._signed(input.args, subject, may_require=input.workflow == WORKFLOW)
        return await super().start_workflow(input)

    async def start_update_with_start_workflow(
        self,
        input: StartWorkflowUpdateWithStartInput,  # noqa: A002 (the SDK's)
    ) -> WorkflowUpdateHandle[Any]:
        """Sign the input of the workflow, which is no run: it takes messages of any worker's."""
        start = input.start_workflow_input
        subject = subjects.run(self._namespace, start.workflow, start.id, self._memo(start.memo))
        start.args = self._signed(start.args, subject, may_require=False)
        return await super().start_update_with_start_workflow(input)

    async def create_schedule(self, input: CreateScheduleInput) -> ScheduleHandle:  # noqa: A002 (the SDK's)
        """Sign the input of the schedule's runs."""
        if isinstance(input.schedule.action, ScheduleActionStartWorkflow):
            action = copy.copy(input.schedule.action)
            subject = subjects.scheduled(self._namespace, action.workflow, action.id, self._memo(action.memo))
            action.args = self._signed(action.args, subject)
            input.schedule = dataclasses.replace(input.schedule, action=action)
        return await super().create_schedule(input)

    async def signal_workflow(self, input: SignalWorkflowInput) -> None:  # noqa: A002 (the SDK's)
        """Sign the signal."""
        input.headers = self._headers(input.headers, input.id, input.signal, input.args)
        await super().signal_workflow(input)

    async def start_workflow_update(self, input: StartWorkflowUpdateInput) -> WorkflowUpdateHandle[Any]:  # noqa: A002
        """Sign the update."""
        input.headers = self._headers(input.headers, input.id, input.update, input.args)
        return await super().start_workflow_update(input)

    async def query_workflow(self, input: QueryWorkflowInput) -> Any:  # noqa: A002 (the SDK's)
        """Ask. An answer that a new run is to begin with has to be signed. Raises NotTakenOver."""
        if input.query != BELIEVED or not self._signer.requires:
            return await super().query_workflow(input)
        wanted, input.ret_type = input.ret_type, RawValue
        answer: RawValue = await super().query_workflow(input)
        if not self._signer.is_signed(answer.payload, subjects.answer(self._namespace, input.id, input.query)):
            raise NotTakenOver(
                f"what run {input.id} gave is told by a worker that is not its owner's, or of an older version"
            )
        (value,) = self._converter.from_payloads([answer.payload], [wanted] if wanted else None)
        return value

    def _signed(self, arguments: Sequence[Any], subject: Subject, may_require: bool = True) -> list[RawValue]:
        """Return the arguments, signed. `may_require`: signed messages may be asked for."""
        payloads = self._converter.to_payloads(arguments)
        for payload in payloads:
            if may_require:
                signed_signals.require(payload)
            self._signer.sign(payload, subject)
        return [RawValue(payload) for payload in payloads]

    def _headers(
        self, headers: Mapping[str, Payload], run_id: str, name: str, arguments: Sequence[Any]
    ) -> dict[str, Payload]:
        payloads = self._converter.to_payloads(arguments)
        return {**headers, **signed_signals.header(self._signer, self._namespace, run_id, name, payloads)}

    def _memo(self, memo: Mapping[str, Any] | None) -> dict[str, Payload]:
        """Return the memo as the server gets it, as far as it is of ours."""
        return {
            name: value if isinstance(value, Payload) else self._converter.to_payload(value)
            for name, value in (memo or {}).items()
        }
