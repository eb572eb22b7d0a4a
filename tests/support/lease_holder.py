"""A process with a lease on the embedded server: prints what it got, as JSON, and waits for its stdin to end."""

import asyncio
import json
import os
import sys
from dataclasses import asdict

from grammar.errors import EmbeddedServerFailed
from runtime.exit import leave
from runtime.local_server.embedded import hold
from runtime.local_server.server_record import ServerFiles, ServerRecord
from runtime.state import state_dir


async def main() -> int:
    try:
        lease = await hold(ui="WITH_UI" in os.environ)
    except EmbeddedServerFailed as error:
        print(json.dumps({"error": str(error)}), flush=True)
        return 2
    record = ServerRecord.read(ServerFiles(state_dir()).record)
    assert record is not None
    print(json.dumps(asdict(lease.server) | asdict(record)), flush=True)
    await asyncio.to_thread(sys.stdin.read)
    lease.release()
    return 0


leave(asyncio.run(main()))
