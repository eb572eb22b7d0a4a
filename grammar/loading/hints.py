"""What to try after a failure, by its type (grammar/errors.py)."""

from grammar.errors import BUG
from grammar.program import program

_HINTS = {
    "ModelUnavailable": "see whether the endpoint is up, and whether AI_API_ENDPOINT or `endpoint` names it; "
    "`retry` says how often and how long to try",
    "RateLimited": "lower `async_limit` or `model_concurrency`, or let it wait for longer: "
    "`schedule_to_close_timeout`, and `maximum_attempts` under `retry`",
    "ToolboxFailed": "start the server by hand, as `server_params` says, and read what it prints; a server sees only "
    "the variables that `env` of its toolbox names",
    "StorageFailed": "see whether TASKFLOW_PAYLOAD_DIR or TASKFLOW_PAYLOAD_S3 is there, can be written to and has room",
    "ShellFailed": "run the script in a shell; if it may run twice, `retry` tries it again",
    "BadRequest": "see whether `model` and `model_settings` are what the endpoint takes",
    "ContextTooLong": "ask for less at a time, have tools give less, or take a `model` with a larger context",
    "ContentFiltered": "word the prompt otherwise, or take a `model` or an endpoint with another filter",
    "AnswerCut": "raise `max_tokens` in `model_settings`, ask for less, or take another `model`",
    "EmptyAnswer": "ask for the answer in the prompt, take another `model`, or let a tool give the value",
    "ModelRefused": "word the prompt otherwise, or take another `model`; `retry` asks anew",
    "TurnLimit": "raise `max_steps`, or ask for less in one task",
    "UnknownTool": "name in the prompt only tools that the task's `toolboxes` offer; see `blocked_tools` too",
    "OutputsInvalid": "show the form in the prompt, loosen `outputs`, or raise `outputs_retries`",
    "ValueTooLarge": "give less, or set TASKFLOW_PAYLOAD_DIR or TASKFLOW_PAYLOAD_S3, where large values are kept",
    "SandboxRefused": "put the worker right as it says, or have another worker serve the run, and retry",
    "NotSigned": "start it with PROGRAM, as the user of the worker, or with the TASKFLOW_SIGNING_KEY of the worker",
    "BudgetReached": "add to what is used up, as with PROGRAM raise ID usd=AMOUNT, or ask for less",
    "TooManyFailures": "mend what they have in common, then retry: what failed and what is left is run then; "
    "`stop_after` says when a task is stopped",
    "NotConfirmed": "repeat over fewer items, or raise `confirm_over`",
    "ModelAccess": "see which key and which model are used: PROGRAM models FLOW",
    "RegionRefused": "take another `model` or endpoint, or have a worker in a region that is served serve the run",
    "QuotaExhausted": "add to the account's credit, raise its limit or wait until it is renewed, then retry",
    "FlowError": "mend the file, and start it with --from: what was done is kept",
    "TemplateFailed": "mend the template, and start the file with --from: what was done is kept",
    "MissingVariable": "set the variable where the worker runs, or write `env(NAME, required=False)`",
    "NotIterable": "have the task before give a list as JSON, or name one with `over`",
    "NoValue": "have a task before give a result, or read one with `outputs.ID`",
    "Timeout": "raise the timeout that it names, or ask for less in one task",
    BUG: "report it with what --debug shows; `retry` may do once it is mended",
}


def hint(kind: str) -> str:
    """Return one thing to try after a failure of that type; empty where nobody knows."""
    return _HINTS.get(kind, "").replace("PROGRAM", program())
