"""What fields are called elsewhere, and what is to be written here."""

import re

from grammar.documents.document import Document
from grammar.documents.models import ModelConfig, Personality, Retry, ServerParams, Task, Taskflow, Toolbox

_TASK = {
    "`user_prompt`": "prompt instruction instructions message messages query question",
    "`run`": "script command commands cmd shell bash exec",
    "`over`, an expression that gives the items": "for_each foreach each loop items with_items matrix iterate map",
    "`start_to_close_timeout`": "timeout timeout_seconds timeout_minutes time_limit deadline",
    "`toolboxes`": "tools tool mcp mcp_servers servers toolbox",
    "`if`": "when condition only_if",
    "`agents`, a list": "agent personality personalities role assistant",
    "`model`": "llm engine model_name",
    "`model_settings`": "settings temperature max_tokens top_p seed options",
    "`outputs`, a JSON Schema": "output output_schema schema response_format output_format returns",
    "`id`; later tasks read `outputs.<id>`": "register save_as output_var key",
    "`retry`, with `maximum_attempts`": "retries max_retries retry_count attempts max_attempts",
    "`async: true`, with `async_limit`": "parallel concurrent concurrency max_parallel max_concurrency workers",
    "`max_steps`": "max_turns max_iterations steps turns",
    "`must_complete: true`": "required critical fail_fast",
    "`env`": "environment",
    "`inputs`": "with args arguments params parameters input vars variables context",
    "`uses`": "extends template base import",
    "`name`": "title label",
    "`headless: true`": "auto_approve",
    "`blocked_tools`": "exclude_tools denied_tools disallowed_tools",
    "`budget`, with `usd` or `tokens`": "max_cost cost_limit max_usd max_budget token_budget max_total_tokens",
    "`stop_after`": "max_failures fail_after circuit_breaker",
}
_TASK_ADVICE = {
    **dict.fromkeys(
        ("system", "system_prompt", "system_message"),
        "the system prompt is a personality, a document of its own that `agents` names",
    ),
    **dict.fromkeys(
        ("depends_on", "depends", "needs", "requires", "after", "dependencies"),
        "tasks run one after the other, as they stand in the file, and read what earlier ones gave by `outputs.<id>`",
    ),
    **dict.fromkeys(
        ("continue_on_error", "ignore_errors", "allow_failure", "optional"),
        "a task may fail, and the run goes on, unless it has `must_complete: true`",
    ),
    **dict.fromkeys(
        ("cwd", "workdir", "working_directory", "working_dir"), "there is none: begin the script with `cd`"
    ),
}
_TASKFLOW = {
    "`taskflow`, a list of `- task:`": "tasks steps jobs flow workflow stages",
    "`globals`": "vars variables env environment inputs params parameters",
    "`model_config`": "models model_settings",
    "`budget`, with `usd` or `tokens`": "max_cost cost_limit max_usd max_budget max_budget_usd limits",
    "`confirm_over`": "confirm max_items",
}
_PERSONALITY = {
    "`personality`": "system system_prompt prompt instructions description role persona",
    "`toolboxes`": "tools mcp mcp_servers servers",
}
_TOOLBOX = {
    "`server_prompt`": "prompt description instructions",
    "`confirm`": "confirmation approve approval ask",
    "`client_session_timeout`": "timeout",
    **{f"`{name}`, below `server_params`": name for name in sorted(ServerParams.known_fields() - {"timeout"})},
}
_SERVER_PARAMS = {
    "`kind`": "type transport protocol",
    "`command`": "cmd exec",
    "`args`": "arguments",
    "`env`": "environment",
}
_MODEL_CONFIG = {
    "`model_settings`": "settings options parameters",
    "`models`": "aliases",
    "`endpoint`, in `model_settings`": "endpoint base_url url api_base",
    "`token`, in `model_settings`: the name of the variable with the key": "token api_key key",
    "`prices`": "price cost costs",
    "`limits`": "limit rate_limit rate_limits rpm tpm requests_per_minute tokens_per_minute concurrency",
    "`fallback`, in `model_settings`": "fallback fallbacks failover",
    "`fallback_after`, in `model_settings`": "fallback_after",
}
_RETRY = {
    "`maximum_attempts`": "attempts max_attempts max retries count limit",
    "`initial_interval`": "delay interval wait backoff initial_delay",
    "`backoff_coefficient`": "factor multiplier backoff_factor",
    "`maximum_interval`": "max_delay max_interval",
}


def _by_name(names: dict[str, str]) -> dict[str, str]:
    return {name: f"here it is {field}" for field, others in names.items() for name in others.split()}


_ADVICE: dict[type[Document], dict[str, str]] = {
    Task: _by_name(_TASK) | _TASK_ADVICE,
    Taskflow: dict.fromkeys(
        Task.known_fields(), "a field of tasks: write it in a task, or for all of them in `defaults`"
    )
    | _by_name(_TASKFLOW)
    | dict.fromkeys(("name", "title", "description"), "a flow is called by the name of its file"),
    Personality: _by_name(_PERSONALITY),
    Toolbox: _by_name(_TOOLBOX),
    ServerParams: _by_name(_SERVER_PARAMS),
    ModelConfig: _by_name(_MODEL_CONFIG),
    Retry: _by_name(_RETRY),
}


def advice(model: type[Document], key: str) -> str | None:
    """Return what to write in place of a key that a `model` does not have; None: nobody knows."""
    plain = re.sub(r"(?<=[a-z])(?=[A-Z])|-", "_", key).lower()
    return _ADVICE.get(model, {}).get(plain)
