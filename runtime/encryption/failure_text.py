"""Failures as histories and descriptions hold them: encrypted ones are decrypted first."""

from temporalio.api.failure.v1 import Failure
from temporalio.converter import DataConverter
from temporalio.exceptions import FailureError

# What the SDK puts in the place of a message that it encodes.
_ENCODED = "Encoded failure"
# The server keeps 4 KB of the failure of an attempt that is followed by another one, and cuts off what is encoded.
CUT = "why is encrypted, and too long for the server to keep: it tells when there is no attempt left"


async def opened(converter: DataConverter, failure: Failure) -> Failure:
    """Return the failure with its message as it was. Raises MissingKey."""
    if failure.message == _ENCODED and not failure.HasField("encoded_attributes"):
        cut = Failure()
        cut.CopyFrom(failure)
        cut.message = CUT
        return cut
    if not failure.HasField("encoded_attributes"):
        return failure
    copy = Failure()
    copy.CopyFrom(failure)  # it is decoded in place
    error = await converter.decode_failure(copy)
    return error.failure if isinstance(error, FailureError) and error.failure else copy
