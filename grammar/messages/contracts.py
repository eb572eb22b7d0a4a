"""What the starter and the workflow, and the workflow and its activities, ask and give each other."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from grammar.documents.models import ModelConfig, Personality, Schema, Task, Toolbox
from grammar.documents.rules import BranchScript, DryRunScript
from grammar.documents.values import Stored, ToolResult, Value

WORKFLOW = "TaskflowWorkflow"
TASK_QUEUE = "taskflow"
PREPARE = "prepare"
RUN_AGENT = "run_agent"
RUN_SHELL = "run_shell"
GATHER = "gather"

# Search attributes, set where the namespace has them. All keywords.
STATUS_ATTRIBUTE = "TaskflowStatus"
NAME_ATTRIBUTE = "TaskflowName"
BUNDLE_ATTRIBUTE = "TaskflowBundle"

# A page of rendered branches keeps well below Temporal's limit of 2 MB a payload.
PAGE_BRANCHES = 200
PAGE_CHARACTERS = 500_000

# How much of a result a run keeps itself, in bytes of JSON; more goes to payload storage, where there is one, and the
# run keeps a reference. What one of many branches gave, and what a whole task gave.
KEPT_OF_BRANCH = 1_024
KEPT_OF_TASK = 32_768


class Bundle(BaseModel):
    """One self-contained run: every document that the flow refers to. `hash`: SHA-256 of all else.

    `script`: what answers in a dry run.
    """

    name: str
    source: str
    globals: dict[str, JsonValue] = {}
    tasks: list[Task]
    personalities: dict[str, Personality] = {}
    toolboxes: dict[str, Toolbox] = {}
    prompts: dict[str, str] = {}
    config: ModelConfig = ModelConfig()
    script: DryRunScript | None = None
    hash: str = ""

    @property
    def tokens(self) -> list[str]:
        """The variables that hold models' keys, as the config and the tasks name them."""
        settings = [*self.config.model_settings.values(), *(task.model_settings for task in self.tasks)]
        settings += [choice.model_settings for task in self.tasks for choice in task.models]
        return sorted({str(one["token"]) for one in settings if one.get("token")})

    def toolboxes_of(self, task: Task) -> dict[str, Toolbox]:
        """The task's toolboxes, else the union over its agents, first seen first (specification section 3)."""
        names = task.toolboxes
        if names is None:
            names = tuple(name for agent in task.agents for name in self.personalities[agent].toolboxes)
        return {name: self.toolboxes[name] for name in dict.fromkeys(names)}


class ModelSpec(BaseModel):
    """The model of one agent run. `name` None: the worker's default. `token`: the name of a variable."""

    name: str | None = None
    api_type: Literal["chat_completions", "responses"] = "chat_completions"
    endpoint: str | None = None
    token: str | None = None
    settings: dict[str, JsonValue] = {}


class TemplateContext(BaseModel):
    """What a task's templates may read on the worker, and `key`, which marks references to variables."""

    globals: dict[str, JsonValue] = {}
    env: dict[str, str] = {}
    key: str


class PrepareRequest(BaseModel):
    """Asks whether a task runs, over which items, and with which prompts, from branch `offset` on.

    `stored`: outputs that are not in `outputs`. `page`: it has been prepared; only this page of it is asked for.
    `secrets`: names of the variables that `env()` has handed out so far, as in all requests.
    """

    task: Task
    surroundings: TemplateContext
    outputs: dict[str, JsonValue] = {}
    stored: dict[str, Stored] = {}
    result: ToolResult | None = None
    prompts: dict[str, str] = {}
    secrets: list[str] = []
    offset: int = 0
    page: Stored | None = None


class Branch(BaseModel):
    """One deployment of a task. `index` counts from 0; `choice`: which of the task's models, also from 0."""

    index: int
    choice: int = 0
    item: JsonValue = None
    prompt: str = ""


class StoredPage(BaseModel):
    """A page in payload storage; `first`: the number of its first item."""

    first: int
    stored: Stored


class Page(BaseModel):
    """The branches from `offset` on, as many as fit. `total` is None where the task does not fan out.

    `pages`: all pages, this one included, where there are several and payload storage keeps them.
    """

    skipped: str | None = None
    total: int | None = None
    branches: list[Branch] = []
    pages: list[StoredPage] = []
    secrets: list[str] = []
    warnings: list[str] = []


class AgentSpec(BaseModel):
    """One agent; the first of a task is the primary one."""

    name: str
    personality: Personality


class Usage(BaseModel):
    """What the model endpoint counted."""

    requests: int = 0
    input_tokens: int = 0
    output_tokens: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            requests=self.requests + other.requests,
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
        )


class PendingCall(BaseModel):
    """A tool call that waits for a person's yes. `id`: the model's id of the call."""

    id: str
    tool: str
    toolbox: str
    arguments: str


class ApprovalDecision(BaseModel):
    """What a person said about one call. `reason` is told to the agent with a no."""

    id: str
    approved: bool
    reason: str = ""


LegReason = Literal["approval", "unknown_outcome", "rate_limited", "stopped"]


class Leg(BaseModel):
    """Where an agent run was left off, for a reason that is no failure.

    `approval`: `calls` wait for a person's yes; `state` is the SDK's RunState as JSON, and `tool_results`, `usage` and
    `repairs` are of what came before that state's conversation began.
    The other reasons: the next leg goes on from the journal, or from `recorded` where no storage keeps journals.
    `turns`: how many answers of the model it holds. `unknown_outcome`: the one of `calls` was interrupted.
    `rate_limited`: `delay` is the seconds that the endpoint asks for, if it does. `stopped`: the worker was told to.
    """

    reason: LegReason = "approval"
    state: dict[str, JsonValue] = {}
    calls: list[PendingCall] = []
    tool_results: list[ToolResult] = []
    usage: Usage = Usage()
    repairs: int = 0
    turns: int = 0
    delay: float | None = None
    message: str = ""
    recorded: list[str] = []


class AgentRequest(BaseModel):
    """One agent run, or its next leg. `rehearsal`: what answers in place of the model.

    `task`: names the task within the run; toolboxes with `lifetime: task` are shared among its branches.
    `kept`: a result of more bytes is stored. `leg`: where the run waited for a person, with what was said since in
    `verdicts`.
    `journal`: the one that goes on, by the id of the activity that began it; empty: this one's own. `recorded`: its
    lines, where no storage keeps them. `outcomes`: whether to repeat calls that were interrupted, by their number.
    """

    task: str = ""
    prompt: str
    agents: list[AgentSpec]
    toolboxes: dict[str, Toolbox] = {}
    model: ModelSpec = ModelSpec()
    max_turns: int
    blocked_tools: list[str] = []
    headless: bool = False
    exclude_from_context: bool = False
    capture: Literal["tool_result", "response"] = "tool_result"
    outputs: Schema | None = None
    outputs_retries: int = 1
    leg: Leg | None = None
    verdicts: list[ApprovalDecision] = []
    journal: str = ""
    recorded: list[str] = []
    outcomes: dict[int, bool] = {}
    rehearsal: BranchScript | None = None
    surroundings: TemplateContext
    secrets: list[str] = []
    kept: int = KEPT_OF_TASK


class ShellRequest(BaseModel):
    """One run of a bash script. `rehearsal`: what answers in its place. `withheld`: variables it does not get.

    `kept`: a result of more bytes is stored.
    """

    script: str
    withheld: list[str] = []
    outputs: Schema | None = None
    rehearsal: BranchScript | None = None
    surroundings: TemplateContext
    secrets: list[str] = []
    kept: int = KEPT_OF_TASK


class TranscriptEntry(BaseModel):
    """One entry of a transcript, for people: cut to a readable length."""

    kind: Literal["message", "tool_call", "tool_output", "handoff", "shell", "prompt"]
    who: str
    text: str


class Progress(BaseModel):
    """Heartbeat details: what an activity does now.

    `said` holds the newest entries, the first of them number `first`; `tail` the end of the text being
    written, `written` its length so far. `usage`: of the turns that have ended; `tokens`: the sum of it.
    """

    turn: int = 0
    doing: str = ""
    tokens: int = 0
    usage: Usage = Usage()
    first: int = 0
    said: list[TranscriptEntry] = []
    tail: str = ""
    written: int = 0


class BranchResult(BaseModel):
    """What one branch produced. `produced` tells a value that is null from none at all.

    `stored`: value and tool results, `results` of them, are there instead. `attempts`: how many Temporal made of it.
    `leg`: it is not over, but was left off.
    """

    value: JsonValue = None
    produced: bool = False
    tool_results: list[ToolResult] = []
    stored: Stored | None = None
    results: int = 0
    attempts: int = 1
    said: list[TranscriptEntry] = []
    first: int = 0
    usage: Usage = Usage()
    model: str = ""
    secrets: list[str] = []
    warnings: list[str] = []
    leg: Leg | None = None


class GatheredBranch(BaseModel):
    """What one branch of a fan-out gave, on its way into the task's list. `item`: its number."""

    item: int
    model: str
    result: Value = Value()
    error: str | None = None


class GatherRequest(BaseModel):
    """Asks for the list that a fan-out publishes. The items are in `pages`, or in `items`, by number."""

    branches: list[GatheredBranch]
    pages: list[StoredPage] = []
    items: dict[int, JsonValue] = {}


class FailureDetails(BaseModel):
    """What a branch cost that failed, and what was said last.

    `attempts` None: not known, as where its worker was lost.
    """

    usage: Usage = Usage()
    attempts: int | None = None
    said: list[TranscriptEntry] = []
    first: int = 0


def activity_id(task_index: int, item: int | None, model: int | None = None, leg: int = 1) -> str:
    """The id of a branch's activity, by which a follower finds it in a workflow's description.

    `item`, `model`: counted from 0, None where the task has no items, or one model.
    """
    parts = [f"task-{task_index + 1}"]
    parts += [f"item-{item + 1}"] if item is not None else []
    parts += [f"model-{model + 1}"] if model is not None else []
    parts += [f"leg-{leg}"] if leg > 1 else []
    return "-".join(parts)
