"""What each field means, in a line: what an editor shows beside it (specification sections 1, 3 and 8)."""

from grammar.documents.budget import Budget, ConfirmOver, StopAfter
from grammar.documents.document import Document
from grammar.documents.model_reach import EndpointLimits
from grammar.documents.models import (
    ModelChoice,
    ModelConfig,
    Personality,
    Price,
    Prompt,
    Retry,
    SandboxChoice,
    ServerParams,
    Task,
    Taskflow,
    Toolbox,
)

FIELDS: dict[type[Document], dict[str, str]] = {
    Taskflow: {
        "globals": "Values for `{{ globals.x }}` in every task; `-g x=VALUE` on the command line wins.",
        "model_config": "The model config that the tasks' model names come from: a dotted name or a path.",
        "taskflow": "The tasks, in the order in which they run.",
        "defaults": "Task fields that every task has unless it sets them itself.",
        "budget": "What the whole run may use up. `--budget` on the command line wins.",
        "on_budget": "What happens where that is used up: `park` the run until a person decides, `fail` it, or "
        "`finish`: start no new branch, complete what runs, and do the rest of the flow.",
        "confirm_over": "A fan-out that is larger or dearer than this asks a person first.",
        "priority": "Which runs go first where workers are busy: 1 first, 5 last. Unless set, 3.",
    },
    Task: {
        "name": "What people call the task; `task-<number>` unless set.",
        "description": "What it does, for people.",
        "id": "Publishes the task's value as `outputs.<id>` for later tasks. A Python identifier, once per flow.",
        "if": "A Jinja expression over `globals`, `inputs` and `outputs`. If it is false, or names something that does "
        "not exist, the task is skipped.",
        "agents": "Personalities: the first is the agent, the others are those it may hand over to.",
        "user_prompt": "What the agent is asked: a template over `globals`, `inputs`, `outputs`, `result`, `env()`.",
        "run": "A bash script, instead of an agent. It is not a template.",
        "model": "A name from the model config, or the provider's id of a model.",
        "model_settings": "Settings for the model, over those of the model config.",
        "models": "Several models, each asked the same: names, or `{model, model_settings}`. Instead of `model`.",
        "fallback": "Models that go on, in their order, where the endpoint of the one before fails; instead of those "
        "of the model config.",
        "fallback_after": "How long an endpoint may fail before the next model goes on: `30s`, `5m`. Unless set, until "
        "attempts are used up.",
        "completion": "With items or several models: `all` branches must succeed, or `any` one of them.",
        "model_concurrency": "How many of the models run at once; 0: all of them.",
        "outputs": "A JSON Schema (2020-12) that the task's value must satisfy.",
        "outputs_retries": "How often the agent may repair a value that breaks `outputs`.",
        "capture": "The task's value: its last tool result, or the agent's final text (`response`).",
        "repeat_prompt": "Run once per item of the result that an earlier task produced, or of `over`.",
        "over": "A Jinja expression that gives the items to repeat over.",
        "async": "Run the items side by side.",
        "async_limit": "How many items run at a time, with `async`.",
        "must_complete": "If the task does not complete, nothing after it runs.",
        "max_steps": "How many turns the agent gets; 0: 50.",
        "toolboxes": "The tools, instead of those of the personalities.",
        "blocked_tools": "Tools that the agent does not get.",
        "headless": "Tools that would ask a person first run without asking.",
        "exclude_from_context": "Tool results are captured and not sent back: the agent ends after its first round of "
        "tool calls.",
        "env": "Variables for the task's processes, and for `env()` in its templates. Values are templates over "
        "`globals` and `env()`.",
        "inputs": "Values for `{{ inputs.x }}`.",
        "uses": "A taskflow with one task: its fields are the defaults of this one.",
        "retry": "How failures that may pass are retried.",
        "start_to_close_timeout": "How long one attempt may take: `30s`, `5m`, `1d`, or seconds. Unless set, `2h`.",
        "schedule_to_close_timeout": "How long all attempts may take together. Unless set, `24h`.",
        "heartbeat_timeout": "No sign of life for so long: the worker is lost. Unless set, `60s`.",
        "on_failure": "What a failure that ends the run does: `park` it until a person decides, or `fail`.",
        "budget": "What all branches of the task may use up together.",
        "item_budget": "What each branch may use up: one item on one model.",
        "on_budget": "What happens where `budget` or `item_budget` is used up: `park` the run, `fail` it, or `finish`: "
        "go on without what is left.",
        "stop_after": "After which failures no further branch starts, and the run is parked. Unless set: five of the "
        "same, one after the other, before any branch has succeeded.",
        "sandbox": "What holds its script, and the processes of its toolboxes that name no other: `workspace` (its "
        "folder, no network), `offline` (no network), or a policy. Unless set, nothing does.",
    },
    Budget: {
        "usd": "US dollars, by the prices that are known of the models.",
        "tokens": "Tokens that models read and write: `500k`, `2M`, or a number.",
        "requests": "Answers of models.",
        "time": "Time of work: `30m`, `2h`, or seconds. While the run waits for a person, none passes.",
    },
    StopAfter: {
        "failures": "So many branches have failed.",
        "in_a_row": "So many branches have failed one after the other.",
        "share": "This share of the branches that have ended have failed, of at least 10: `0.5`.",
    },
    ConfirmOver: {
        "items": "More items than this.",
        "usd": "Likely to cost more US dollars than this, once a few branches have ended.",
    },
    SandboxChoice: {
        "preset": "What holds where the rest says nothing. `workspace`: the run's folder may be written, the system "
        "be read, there is no network. `offline`: files as without a sandbox, no network.",
        "read": "What else may be read: paths in the run's folder, absolute ones, or such as `~/.cargo`.",
        "write": "What may be written, instead of the run's folder: paths of the same kinds.",
        "network": "`none`, `all`, or a list of HOST:PORT that may be asked over HTTP.",
        "memory": "How much its processes may take together: `512M`, `4G`, or bytes. Unless set, `4G`.",
        "processes": "How many processes and threads there may be at once. Unless set, 512.",
        "cpu": "How much CPU time its processes may take together: `10m`, `2h`. Unless set, as much as they do.",
        "disk": "How much its processes may write to disk together: `512M`, `20G`. Unless set, `10G`.",
    },
    Retry: {
        "maximum_attempts": "How often a task is tried; 5 for an agent and 1 for a script unless set.",
        "initial_interval": "The wait before the second attempt. Unless set, `5s`.",
        "backoff_coefficient": "Each wait is so many times as long as the one before.",
        "maximum_interval": "The longest wait. Unless set, `2m`.",
        "non_retryable_error_types": "Errors that are not retried, by the names that Temporal shows.",
    },
    ModelChoice: {
        "model": "A name from the model config, or the provider's id of a model.",
        "model_settings": "Settings for this model, over those of the task.",
    },
    Personality: {
        "personality": "Who the agent is: the start of its system prompt.",
        "task": "What it is there for: the end of its system prompt.",
        "toolboxes": "Its tools: dotted names or paths.",
    },
    Toolbox: {
        "server_params": "How to start or reach the MCP server.",
        "server_prompt": "What the agent is told about these tools.",
        "confirm": "Tools that ask a person before they run, unless the task is headless.",
        "client_session_timeout": "Seconds that one request may take; 0: 120.",
        "sandbox": "What holds its process: `none`, `workspace`, `offline`, or a policy. Else what the task says.",
    },
    ServerParams: {
        "kind": "How to talk to it: a process of our own (`stdio`), or a URL (`sse`, `streamable`).",
        "command": "The program to start. With `streamable`: it is started, and then reached at `url`.",
        "args": "Its arguments.",
        "env": "Variables for the process; it gets no others of ours. An entry whose variable is missing is left out.",
        "url": "Where it answers.",
        "headers": "HTTP headers. One that names a missing variable is an error.",
        "optional_headers": "HTTP headers. One that names a missing variable is left out.",
        "timeout": "Seconds that a connection may take.",
        "reconnecting": "A fresh connection for every call.",
        "lifetime": "How long one process or connection serves: one agent `run`, the branches of a `task`, or any run "
        "on the `worker`.",
        "preload": "Whether a stdio server in Python is a fork of a process that has imported its libraries.",
    },
    ModelConfig: {
        "api_type": "The API that the endpoint speaks.",
        "backend": "What runs the agents.",
        "models": "Logical name -> the provider's id of the model.",
        "model_settings": "Logical name -> settings. They go to the model, but for those that say how it is reached.",
        "prices": "Name of a model, logical or the provider's -> what it costs. It goes to no model.",
        "limits": "What each endpoint takes of all who ask it with one key: all workers keep to it together.",
    },
    EndpointLimits: {
        "requests_per_minute": "How many requests it takes in any minute.",
        "tokens_per_minute": "How many tokens it reads and writes in any minute.",
        "concurrency": "How many requests it takes at once.",
    },
    Price: {
        "input": "US dollars per million tokens that the model reads.",
        "output": "US dollars per million tokens that the model writes.",
        "cached": "US dollars per million of those read from the provider's cache; else as `input`.",
        "cache_write": "US dollars per million of those written to the provider's cache; else 1.25 times `input`.",
        "reasoning": "US dollars per million of those that it thinks; else as `output`.",
        "estimated": "Whether the price is only an estimate: then each cost that rests on it is called so.",
    },
    Prompt: {"prompt": "The text. It is a template, like the prompt that includes it."},
}

KINDS = {
    "taskflow": "A taskflow: tasks, run one after the other.",
    "personality": "A personality: who an agent is, and which tools it has.",
    "toolbox": "A toolbox: an MCP server, and how its tools are to be used.",
    "model_config": "A model config: names for models, and their settings.",
    "prompt": "A prompt: a text that templates include.",
}

SETTINGS = {
    "api_type": "The API that this model's endpoint speaks.",
    "backend": "What runs the agents.",
    "endpoint": "The base URL of this model's endpoint.",
    "token": "The name of the variable that holds its key; never the key itself.",
    "fallback": "Models that go on, in their order, where its endpoint fails.",
    "fallback_after": "How long its endpoint may fail before the next model goes on: `30s`, `5m`. Unless set, until "
    "attempts are used up.",
    "limits": "What its endpoint takes of this model alone, instead of those of the model config.",
}
