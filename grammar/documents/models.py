"""The documents a person writes, as data (specification sections 1, 3, 8 and 10)."""

from collections.abc import Iterator
from typing import Any, ClassVar, Literal

from pydantic import ConfigDict, Field, JsonValue, ValidationInfo, field_validator, model_validator

from grammar.documents.budget import Budget, ConfirmOver, OnBudget, StopAfter
from grammar.documents.document import Document
from grammar.documents.durations import LONGEST
from grammar.documents.field_types import Identifier, Schema, Seconds, Text
from grammar.documents.model_reach import ConfigSettings, EndpointLimits, Settings
from grammar.documents.sandbox import PRESETS, UNREACHABLE, Addresses, Policy, PolicyPath, Preset, Size


class Retry(Document):
    """Temporal's retry policy, in its own terms. `maximum_attempts` None: 5, or 1 for a shell task."""

    maximum_attempts: int | None = Field(default=None, ge=1, le=10_000)
    initial_interval: Seconds = 5.0
    backoff_coefficient: float = Field(default=2.0, ge=1, le=1000)
    maximum_interval: Seconds = 120.0
    non_retryable_error_types: tuple[str, ...] = ()

    @model_validator(mode="after")
    def _ordered(self) -> "Retry":
        if self.maximum_interval < self.initial_interval:
            raise ValueError("maximum_interval must not be less than initial_interval")
        return self


class SandboxChoice(Document):
    """What holds a script or a server process: a preset, and what differs from it (specification section 10)."""

    # A limit that is misspelt, or that only a newer version knows, must not be left out.
    model_config = ConfigDict(extra="forbid")

    preset: Preset = "workspace"
    read: tuple[PolicyPath, ...] | None = None
    write: tuple[PolicyPath, ...] | None = None
    network: Addresses | None = None
    memory: Size | None = None
    processes: int | None = Field(default=None, ge=8, le=1_000_000)
    cpu: Seconds | None = None
    disk: Size | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_preset(cls, data: Any) -> Any:
        return {"preset": data} if isinstance(data, str) else data

    @model_validator(mode="after")
    def _something_to_hold(self) -> "SandboxChoice":
        if self.preset == "none" and self._said:
            raise ValueError(f"`none` is no sandbox: {', '.join(self._said)} would mean nothing; use another preset")
        return self

    @property
    def policy(self) -> Policy | None:
        """Return what it lets through; None: everything."""
        preset = PRESETS.get(self.preset)
        return preset._replace(**self._said) if preset else None

    @property
    def _said(self) -> dict[str, Any]:
        values = {name: getattr(self, name) for name in Policy._fields}
        return {name: value for name, value in values.items() if value is not None}


class ModelChoice(Document):
    """One entry of `models`."""

    model: str
    model_settings: Settings = {}

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, data: Any) -> Any:
        return {"model": data} if isinstance(data, str) else data


class Task(Document):
    """One task (specification section 3). References are dotted names or paths."""

    name: Text | None = None
    description: Text | None = None
    id: Identifier | None = None
    if_: Text | None = Field(default=None, alias="if")
    agents: tuple[str, ...] = ()
    user_prompt: str | None = None
    run: str | None = None
    model: str | None = None
    model_settings: Settings = {}
    models: tuple[ModelChoice, ...] = ()
    fallback: tuple[str, ...] | None = None
    fallback_after: Seconds | None = None
    completion: Literal["all", "any"] = "all"
    model_concurrency: int = Field(default=0, ge=0)
    outputs: Schema | None = None
    outputs_retries: int = Field(default=1, ge=0)
    capture: Literal["tool_result", "response"] = "tool_result"
    repeat_prompt: bool = False
    over: str | None = None
    async_: bool = Field(default=False, alias="async")
    async_limit: int = Field(default=5, ge=1, le=500)
    must_complete: bool = False
    max_steps: int = Field(default=50, ge=0)
    toolboxes: tuple[str, ...] | None = None
    blocked_tools: tuple[str, ...] = ()
    headless: bool = False
    exclude_from_context: bool = False
    env: dict[str, Text] = {}
    inputs: dict[str, JsonValue] = {}
    uses: str | None = None
    retry: Retry | None = None
    start_to_close_timeout: Seconds = 2 * 3600.0
    schedule_to_close_timeout: Seconds = 24 * 3600.0
    heartbeat_timeout: Seconds = 60.0
    on_failure: Literal["park", "fail"] = "park"
    budget: Budget | None = None
    item_budget: Budget | None = None
    on_budget: OnBudget = "park"
    stop_after: StopAfter | None = None
    sandbox: SandboxChoice | None = None

    TURNS: ClassVar[int] = 50

    @property
    def concurrency(self) -> int:
        """Return how many branches run at once; with several models, that is for `model_concurrency` to say."""
        if len(self.choices) > 1:
            return self.model_concurrency or len(self.choices)
        return self.async_limit if self.async_ else 1

    @property
    def turns(self) -> int:
        """Return how many turns the agent gets: `max_steps`, or the default where that is 0."""
        return self.max_steps or self.TURNS

    @property
    def repeats(self) -> bool:
        """Return whether it runs once per item."""
        return self.repeat_prompt or self.over is not None

    @property
    def choices(self) -> tuple[ModelChoice | None, ...]:
        """Return the models that each item runs on, at least one; None: what `model` says, or none, for a script."""
        return self.models if self.models and self.run is None else (None,)

    @property
    def fans_out(self) -> bool:
        """Return whether its value is a list with an entry per branch."""
        return self.repeats or len(self.choices) > 1


class Taskflow(Document):
    """A taskflow. `taskflow` holds the tasks with `defaults` already under each."""

    globals: dict[str, JsonValue] = {}
    model_config_: str | None = Field(default=None, alias="model_config")
    taskflow: tuple[Task, ...] = Field(min_length=1)
    defaults: dict[str, JsonValue] = {}
    budget: Budget | None = None
    on_budget: OnBudget = "park"
    confirm_over: ConfirmOver | None = None
    priority: int | None = Field(default=None, ge=1, le=5)


class Personality(Document):
    """Who an agent is."""

    personality: str = ""
    task: str = ""
    toolboxes: tuple[str, ...] = ()


class ServerParams(Document):
    """How to start or reach an MCP server. Texts may use `{{ env('NAME') }}`."""

    kind: Literal["stdio", "sse", "streamable"]
    command: str | None = None
    args: tuple[Text, ...] = ()
    env: dict[str, Text] = {}
    url: str | None = None
    headers: dict[str, Text] = {}
    optional_headers: dict[str, Text] = {}
    timeout: float | None = Field(default=None, gt=0, le=LONGEST)
    reconnecting: bool = False
    lifetime: Literal["run", "task", "worker"] = "run"
    preload: bool = True

    @model_validator(mode="after")
    def _reachable(self) -> "ServerParams":
        if self.kind == "stdio" and not self.command:
            raise ValueError("a stdio server needs a `command`")
        if self.kind != "stdio" and not self.url:
            raise ValueError(f"a {self.kind} server needs a `url`")
        return self

    def is_held_unreachably_by(self, sandbox: SandboxChoice) -> bool:
        """Return whether the worker would start the server in that sandbox, and could not reach it there."""
        policy = sandbox.policy
        return bool(policy and policy.network != "all" and self.command and self.kind != "stdio")

    def templates(self) -> Iterator[tuple[tuple[str | int, ...], str]]:
        """Yield every text that is a template, with the path to it: `("args", 0)`."""
        singles = (("command", self.command), ("url", self.url))
        yield from (((field,), text) for field, text in singles if text is not None)
        yield from ((("args", index), text) for index, text in enumerate(self.args))
        for field, texts in (("env", self.env), ("headers", self.headers), ("optional_headers", self.optional_headers)):
            yield from (((field, name), text) for name, text in texts.items())


class Toolbox(Document):
    """An MCP server and how its tools are to be used."""

    server_params: ServerParams
    server_prompt: str = ""
    confirm: tuple[str, ...] = ()
    client_session_timeout: float = Field(default=0, ge=0, le=LONGEST)
    sandbox: SandboxChoice | None = None

    DEFAULT_SESSION_TIMEOUT: ClassVar[float] = 120.0

    @field_validator("sandbox")
    @classmethod
    def _holds_a_process(cls, value: SandboxChoice | None, info: ValidationInfo) -> SandboxChoice | None:
        params: ServerParams | None = info.data.get("server_params")
        if value and value.policy and params:
            if not params.command:
                raise ValueError("no process of the worker's is there to hold: the server runs at its `url`")
            if params.is_held_unreachably_by(value):
                raise ValueError(UNREACHABLE)
        return value

    @property
    def session_timeout(self) -> float:
        """Return the seconds that one request to the server may take."""
        return self.client_session_timeout or self.DEFAULT_SESSION_TIMEOUT


class Price(Document):
    """What a model costs, in US dollars per million tokens (specification section 1)."""

    input: float = Field(ge=0)
    output: float = Field(ge=0)
    cached: float | None = Field(default=None, ge=0)
    cache_write: float | None = Field(default=None, ge=0)
    reasoning: float | None = Field(default=None, ge=0)
    estimated: bool = False


class ModelConfig(Document):
    """Logical model names, their settings and their prices. It may have models that this version cannot run."""

    api_type: str = "chat_completions"
    backend: str = "openai_agents"
    models: dict[str, str] = {}
    model_settings: dict[str, ConfigSettings] = {}
    prices: dict[str, Price] = {}
    limits: EndpointLimits | None = None

    @field_validator("model_settings", mode="before")
    @classmethod
    def _empty_settings(cls, value: Any) -> Any:
        return {k: v or {} for k, v in value.items()} if isinstance(value, dict) else value

    @model_validator(mode="after")
    def _settings_have_models(self) -> "ModelConfig":
        stray = sorted(set(self.model_settings) - set(self.models))
        if stray:
            raise ValueError(f"model_settings for {', '.join(stray)}, which `models` does not name")
        return self


class Prompt(Document):
    """A text that templates include."""

    prompt: str


KINDS: dict[str, type[Document]] = {
    "taskflow": Taskflow,
    "personality": Personality,
    "toolbox": Toolbox,
    "model_config": ModelConfig,
    "prompt": Prompt,
}
