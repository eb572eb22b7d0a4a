"""Which stored files a run refers to, read from its histories.

Nothing but the histories knows all of them, and nothing in them is taken to be no reference: a file is referred to as
soon as its key stands anywhere, in an event, or in a file that is referred to (docs/decisions/0013).
"""

import asyncio
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Iterator
from contextlib import suppress

from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from temporalio.api.common.v1 import Payload
from temporalio.api.workflowservice.v1 import (
    DescribeScheduleRequest,
    DescribeWorkflowExecutionRequest,
    ListSchedulesRequest,
)
from temporalio.client import Client
from temporalio.converter import PayloadCodec

from grammar.errors import StorageFailed
from grammar.messages.names import journal_folder
from runtime.encryption.sealing import is_sealed, open_file, open_line
from runtime.runs.executions import RunExecutions, unless_forgotten
from runtime.storage.stored_files import StoredFile, words_in, words_in_file, words_in_open


class References:
    """Find the files, of those given, that runs and schedules refer to."""

    def __init__(self, client: Client, files: Iterable[StoredFile]) -> None:
        self._client = client
        self._files = defaultdict[str, list[StoredFile]](list)
        self._words: dict[StoredFile, set[str]] = {}
        for file in files:
            self._files[file.key].append(file)

    async def of_run(self, run: RunExecutions) -> set[StoredFile]:
        """Return the files of the run: those that its histories refer to, and its journals. Raises RPCError."""
        words: set[str] = set()
        for execution in run.executions:
            with unless_forgotten():
                words |= await self._words_of_history(run.id, execution.run_id)
        if run.ended is None:
            with unless_forgotten():
                words |= await self._words_of_description(run.id)
        return await self._reached(words, run.id)

    async def of_schedules(self) -> set[StoredFile]:
        """Return the files that the namespace's schedules refer to: each holds a bundle. Raises RPCError."""
        service, namespace = self._client.workflow_service, self._client.namespace
        words: set[str] = set()
        token = b""
        while True:
            request = ListSchedulesRequest(namespace=namespace, maximum_page_size=100, next_page_token=token)
            page = await service.list_schedules(request)
            for schedule in page.schedules:
                described = DescribeScheduleRequest(namespace=namespace, schedule_id=schedule.schedule_id)
                words |= await self._words_of(await service.describe_schedule(described))
            if not (token := page.next_page_token):
                return await self._reached(words, "")

    async def _words_of_history(self, run_id: str, history: str) -> set[str]:
        words: set[str] = set()
        async for event in self._client.get_workflow_handle(run_id, run_id=history).fetch_history_events():
            words |= await self._words_of(event)
        return words

    async def _words_of_description(self, run_id: str) -> set[str]:
        """Return the words of what no event holds yet: the heartbeats of activities that run, or are to be retried."""
        request = DescribeWorkflowExecutionRequest(namespace=self._client.namespace)
        request.execution.workflow_id = run_id
        return await self._words_of(await self._client.workflow_service.describe_workflow_execution(request))

    async def _words_of(self, message: Message) -> set[str]:
        payloads = list(_payloads(message))
        if payloads and (codec := self._client.data_converter.payload_codec):
            payloads = await codec.decode(payloads)
        return {word for payload in payloads for word in words_in(payload.data)}

    async def _reached(self, words: set[str], run_id: str) -> set[StoredFile]:
        """Return the files that the words name, and those that these name in turn."""
        found: set[StoredFile] = set()
        while words:
            keys = words | {journal_folder(run_id, word) for word in words}
            new = {file for key in keys for file in self._files.get(key, ())} - found
            found |= new
            words = {word for file in new for word in await self._words_in(file)}
        return found

    async def _words_in(self, file: StoredFile) -> set[str]:
        if file not in self._words:
            self._words[file] = await self._read(file)
        return self._words[file]

    async def _read(self, file: StoredFile) -> set[str]:
        """Return the words of the file, decrypted; none where it is damaged: nobody can read it. Raises MissingKey."""
        codec = self._client.data_converter.payload_codec
        with suppress(StorageFailed):
            if codec and file.kind == "payload":
                payload = Payload.FromString(await asyncio.to_thread(file.path.read_bytes))
                return {word for plain in await codec.decode([payload]) for word in words_in(plain.data)}
            if codec and file.kind == "journal":
                return await _words_of_journal(codec, file)
            if codec and file.kind == "document" and is_sealed(file.path):
                with tempfile.TemporaryFile() as plain:  # it has no name that could be left behind
                    await open_file(codec, file.path, plain)
                    plain.flush()
                    return await asyncio.to_thread(words_in_open, plain)
            return await asyncio.to_thread(words_in_file, file.path)
        return set()


async def _words_of_journal(codec: PayloadCodec, file: StoredFile) -> set[str]:
    journal = f"{file.key}/{file.path.stem}"
    text = await asyncio.to_thread(file.path.read_text, errors="replace")
    lines = [await open_line(codec, journal, line) for line in text.split("\n")]
    return {word for line in lines for word in words_in(line.encode())}


def _payloads(message: Message) -> Iterator[Payload]:
    """Yield every payload in the message, wherever it is."""
    if isinstance(message, Payload):
        yield message
        return
    for field, value in message.ListFields():
        if field.type != FieldDescriptor.TYPE_MESSAGE:
            continue
        if isinstance(value, Message):
            yield from _payloads(value)
            continue
        entries = value.values() if hasattr(value, "values") else value
        for entry in entries:
            if isinstance(entry, Message):  # a map may have texts as values
                yield from _payloads(entry)
