"""What the activities give the workflow: pages of branches, what a branch gave, and how far one is."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from grammar.documents.values import StoredDocument, ToolResult

# A page of rendered branches keeps well below Temporal's limit of 2 MB a payload.
PAGE_BRANCHES = 200
PAGE_CHARACTERS = 500_000


class Branch(BaseModel):
    """One item of a task on one of its models: what one activity runs, or several, a leg each."""

    index: int
    """Its number within the task, from 0: item times models plus model. In a Page, the number of the item."""
    choice: int = 0
    """Which of the task's models it runs on, from 0."""
    item: JsonValue = None
    """The item; None where the task does not repeat, or a stored page has it."""
    prompt: str = ""
    """The rendered prompt; empty for a script, and once the branch has been deployed."""


class StoredPage(BaseModel):
    """A page of branches that is kept in payload storage."""

    first: int
    """The number of its first item, from 0."""
    stored: StoredDocument
    """Where it is: a Page as JSON."""


class Page(BaseModel):
    """What `prepare` gives: the task's branches from some item on, as many as fit, one for each item."""

    skipped: str | None = None
    """Why the task does not run, for people; None: it does."""
    total: int | None = None
    """How many items there are; None: the task does not repeat, and has one branch for each of its models."""
    branches: list[Branch] = []
    """The branches, in the order of their items, before each is put on its models."""
    pages: list[StoredPage] = []
    """All pages, this one included; empty where there is only one, or payload storage keeps none."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run, this page included."""


class Usage(BaseModel):
    """What the model endpoint counted (specification section 1, prices)."""

    requests: int = 0
    """How often the model answered."""
    input_tokens: int = 0
    """How many tokens it read, those from and for the provider's cache included."""
    cached_tokens: int = 0
    """How many of `input_tokens` came from the provider's cache."""
    cache_write_tokens: int = 0
    """How many of `input_tokens` were written to the provider's cache."""
    output_tokens: int = 0
    """How many tokens it wrote, what it thought included."""
    reasoning_tokens: int = 0
    """How many of `output_tokens` it thought."""

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
        )

    def __sub__(self, other: "Usage") -> "Usage":
        return Usage(**{name: max(0, getattr(self, name) - getattr(other, name)) for name in Usage.model_fields})

    @property
    def tokens(self) -> int:
        """Return how many tokens it read and wrote."""
        return self.input_tokens + self.output_tokens


class TranscriptEntry(BaseModel):
    """One entry of a transcript, for people: cut to a readable length, with references for secrets."""

    kind: Literal["message", "tool_call", "tool_output", "handoff", "shell", "prompt", "model"]
    """What it is; `prompt`: what a dry run shows of what the model would be told; `model`: another one goes on."""
    who: str
    """The name of the agent, or `shell`."""
    text: str
    """What was said, called or given."""


WAITING = "waiting for the endpoint"
"""What an agent does whose request is not yet in turn, in its Progress."""


class Progress(BaseModel):
    """What an activity does now: its heartbeat details."""

    turn: int = 0
    """The model's turn, from 1; 0: none has begun."""
    doing: str = ""
    """What it does, in a word or two; empty: there is nothing to add to `said`."""
    tokens: int = 0
    """The sum of the input and output tokens of `usage`."""
    usage: Usage = Usage()
    """What the turns that have ended cost."""
    named: str = ""
    """The model that is asked, as the file names it; empty where the branch has one alone."""
    model: str = ""
    """The provider's id of that model; empty for a script, and until it is known."""
    first: int = 0
    """The number of the first entry of `said`, from 0 over the whole transcript."""
    said: list[TranscriptEntry] = []
    """The newest entries of the transcript."""
    tail: str = ""
    """The end of the text that the model is writing; empty: it is not writing."""
    written: int = 0
    """How many characters that text has so far."""


class PendingCall(BaseModel):
    """A tool call that waits for a person's yes."""

    id: str
    """The model's id of the call; of one that was interrupted, its number in the journal, from 0."""
    tool: str
    """The tool's name."""
    toolbox: str
    """The name of its toolbox; empty: not known."""
    arguments: str
    """The arguments as JSON text."""


class SeenTool(BaseModel):
    """Which tool the model means by a name that it has seen."""

    toolbox: str
    """The reference of its toolbox."""
    tool: str
    """The name that its server has for it."""


LegReason = Literal["approval", "unknown_outcome", "rate_limited", "stopped", "unavailable", "budget"]


class Leg(BaseModel):
    """Where an agent run was left off, for a reason that is no failure: what it takes to go on.

    After `approval`, the next leg goes on from `state`; otherwise from the journal, or from `recorded`.
    """

    reason: LegReason = "approval"
    """`approval`: `calls` wait for a person's yes. `unknown_outcome`: the only one of `calls` was interrupted.

    `rate_limited`: the endpoint asked to wait. `stopped`: the worker was told to stop. `unavailable`: the endpoint
    failed otherwise, as `error` says, and the branch has another model. `budget`: what it may spend is used up.
    """
    state: dict[str, JsonValue] = {}
    """With `approval`, the SDK's RunState as JSON; else empty."""
    calls: list[PendingCall] = []
    """The calls that a person is to decide on, in the order in which the model made them."""
    tool_results: list[ToolResult] = []
    """With `approval`, what tools gave before the conversation of `state` began; else empty."""
    usage: Usage = Usage()
    """With `approval`, what was used before the conversation of `state` began; else nothing."""
    repairs: int = 0
    """With `approval`, how often the agent was told so far to repair its value; else 0."""
    turns: int = 0
    """How many answers of the model the journal holds; with `approval` 0."""
    delay: float | None = None
    """With `rate_limited`, the seconds that the endpoint asks to wait; None: it did not say."""
    error: str = ""
    """With `unavailable`, the type of the failure, as grammar/errors.py names it; else empty."""
    message: str = ""
    """With `rate_limited` and `unavailable`, what the endpoint answered, for people; else empty."""
    model: int = 0
    """With `approval`, which of the branch's models answered last in `state`, from 0."""
    recorded: list[str] = []
    """The journal's lines, where no storage keeps journals; else empty."""
    tools: dict[str, SeenTool] = {}
    """With `approval`, tools that the model may mean, by the names that it has seen; else the journal has them."""


class BranchResult(BaseModel):
    """What one deployment gave: of a branch that has ended, or, with `leg`, of one that was left off."""

    value: JsonValue = None
    """The branch's value; None also where there is none, or it is in `stored`."""
    produced: bool = False
    """Whether there is a value: one may be null."""
    tool_results: list[ToolResult] = []
    """What its tools gave, in the order of the calls; of a script, its stdout. Empty where they are in `stored`."""
    stored: StoredDocument | None = None
    """Where value and tool results are; its `form` says as what. None: they are here."""
    results: int = 0
    """How many tool results `stored` has; 0 without it."""
    attempts: int = 1
    """How many attempts Temporal made of the activity."""
    said: list[TranscriptEntry] = []
    """The transcript, its newest entries if it is long."""
    first: int = 0
    """The number of the first entry of `said`, from 0 over the whole transcript."""
    usage: Usage = Usage()
    """What the agent run cost so far, its earlier legs included; nothing for a script."""
    model: str = ""
    """The provider's id of the model; empty for a script."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run, this deployment included."""
    warnings: list[str] = []
    """What a person should hear of, a line each."""
    leg: Leg | None = None
    """Where it was left off; None: the branch has ended."""


class FailureDetails(BaseModel):
    """What a deployment that failed cost, and what was said in it: the details of its error."""

    usage: Usage = Usage()
    """What it used before it failed."""
    model: str = ""
    """The provider's id of the model; empty for a script, and where it is not known."""
    attempts: int | None = None
    """How many attempts Temporal made of it; None: not known, as where its worker was lost."""
    said: list[TranscriptEntry] = []
    """The newest entries of the transcript; empty where Temporal made another attempt."""
    first: int = 0
    """The number of the first entry of `said`, from 0 over the whole transcript."""
