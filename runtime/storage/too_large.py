"""Requests that a server refuses for their size."""

import re

from temporalio.service import RPCError

from grammar.errors import NoStorage

# Of the server's own limit for a payload, 2 MB unless set otherwise, and of gRPC's for a message.
_REFUSAL = re.compile(r"exceeds? (size )?limit|larger than max", re.IGNORECASE)


def too_large(error: RPCError) -> NoStorage | None:
    """Return the error to raise for a request that was refused for its size; None where it was for something else."""
    if not _REFUSAL.search(error.message):
        return None
    return NoStorage(
        "the flow, with all it refers to, is too large for the server; say where to keep what is large, with "
        "TASKFLOW_PAYLOAD_DIR or TASKFLOW_PAYLOAD_S3, to the starter and to its workers"
    )
