"""Signals and updates of runs whose starter asked for signed ones.

The signature is in a header, since a message need not have a payload. It holds a number that is used once: who reads
a message in the history cannot send it again, for another call, or for a task that is parked later.
"""

import os
import secrets
from collections.abc import Mapping, Sequence

from temporalio.api.common.v1 import Payload
from temporalio.bridge.proto.workflow_activation import DoUpdate, SignalWorkflow

from runtime.signing import subjects
from runtime.signing.signature import SIGNATURE, Signer

VARIABLE = "TASKFLOW_SIGNED_SIGNALS"

PLAIN = frozenset({"pause", "abort"})
"""Those that only hold a run, or end it. After any other, something is done that was held back."""

_REQUIRED = "taskflow-signals"
_USED = "taskflow-signals-used"
_NUMBER_BYTES = 12


def are_wanted() -> bool:
    """Return whether runs that this process starts are to take signed messages only."""
    return os.environ.get(VARIABLE, "") not in ("", "0")


def require(run_input: Payload) -> None:
    """Have the run take signed messages only, if that is wanted. The input is signed after that."""
    if are_wanted():
        run_input.metadata[_REQUIRED] = b"signed"


def header(signer: Signer, namespace: str, run_id: str, name: str, arguments: Sequence[Payload]) -> dict[str, Payload]:
    """Return the header that signs a message."""
    number = Payload(metadata={"encoding": b"binary/plain"}, data=secrets.token_hex(_NUMBER_BYTES).encode())
    return {SIGNATURE: signer.sign(number, subjects.message(namespace, run_id, name, arguments))}


class SignedSignals:
    """Tell which messages a run takes. `run_input`: its input, which says whether they have to be signed."""

    def __init__(self, signer: Signer, namespace: str, run_id: str, run_input: Payload) -> None:
        self._signer, self._namespace, self._run_id = signer, namespace, run_id
        self._are_required = run_input.metadata.get(_REQUIRED) == b"signed"
        self._used = set(run_input.metadata.get(_USED, b"").split())

    def takes_signal(self, signal: SignalWorkflow) -> bool:
        """Return whether the run takes the signal. Each one is asked about once, in order, also while replaying."""
        return self._takes(signal.signal_name, signal.input, signal.headers)

    def takes_update(self, update: DoUpdate) -> bool:
        """Return the same of an update. One that is in the history was taken."""
        return self._takes(update.name, update.input, update.headers) or not update.run_validator

    def carry(self, run_input: Payload) -> None:
        """Write into the input of the run's next history what that has to know. It is signed after that."""
        if self._are_required:
            run_input.metadata[_REQUIRED] = b"signed"
            run_input.metadata[_USED] = b" ".join(sorted(self._used))

    def _takes(self, name: str, arguments: Sequence[Payload], headers: Mapping[str, Payload]) -> bool:
        if not self._are_required or name in PLAIN:
            return True
        number = headers.get(SIGNATURE)
        if number is None or number.data in self._used:
            return False
        subject = subjects.message(self._namespace, self._run_id, name, arguments)
        if not self._signer.is_signed(number, subject):
            return False
        self._used.add(number.data)
        return True
