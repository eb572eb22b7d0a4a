"""What a flow is called where everybody can read it: in ids, search attributes and summaries, encrypted or not."""

import os

from grammar.errors import UserError
from grammar.messages.run_bundle import Bundle

VARIABLE = "TASKFLOW_NAMES"


def are_hidden() -> bool:
    """Return whether TASKFLOW_NAMES is `off`. Raises UserError where it is neither that nor `on`."""
    value = os.environ.get(VARIABLE) or "on"
    if value not in ("on", "off"):
        raise UserError(f"{VARIABLE} is {value!r}: write off to have no names of flows in ids, or on")
    return value == "off"


def shown(bundle: Bundle) -> str:
    """Return the flow's name, or where names are hidden `flow-` and eight digits of its hash."""
    return f"flow-{bundle.hash[:8]}" if are_hidden() else bundle.name
