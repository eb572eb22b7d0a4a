"""What the workflow asks of its activities, one request for each: their arguments."""

from typing import Literal

from pydantic import BaseModel, JsonValue

from grammar.documents.field_types import Schema
from grammar.documents.model_reach import EndpointLimits
from grammar.documents.models import Personality, SandboxChoice, Task, Toolbox
from grammar.documents.rules import BranchScript
from grammar.documents.values import StoredDocument, ToolResult, Value
from grammar.messages.activity_results import Leg, StoredPage
from grammar.messages.budgets import Allowance
from grammar.messages.reports import ApprovalDecision
from grammar.messages.run_bundle import Meaning

# How much of a result a run keeps itself, in bytes of JSON; more goes to payload storage, where there is one, and the
# run keeps a reference. What one of many branches gave, and what a whole task gave.
KEPT_OF_BRANCH = 1_024
KEPT_OF_TASK = 32_768


class ModelSpec(BaseModel):
    """The model of one agent run (specification section 6)."""

    name: str | None = None
    """The provider's id of the model; None: the worker's default."""
    api_type: str = "chat_completions"
    """The API that the endpoint speaks: `chat_completions` or `responses`."""
    endpoint: str | None = None
    """The base URL to ask; None: the one that the worker's environment configures."""
    token: str | None = None
    """The name of the variable that holds the key, never the key; None: the worker chooses by the endpoint."""
    limits: EndpointLimits | None = None
    """What the endpoint takes of all who ask it with that key; None: nothing is said of it."""
    limits_are_its_own: bool = False
    """Whether `limits` are of this model alone; else of all that are asked at the endpoint with that key."""
    settings: dict[str, JsonValue] = {}
    """Settings that are handed on to the model, such as `temperature`."""


class AgentSpec(BaseModel):
    """One agent; the first of a task is the primary one, the others are its handoff targets."""

    name: str
    """The short name of its personality, which the model sees; with its folder where two have the same."""
    personality: Personality
    """Who it is, and what it is there for."""


class TemplateContext(BaseModel):
    """What templates may read on the worker, and how what `env()` returned is recorded (specification section 4)."""

    globals: dict[str, JsonValue] = {}
    """Values for `{{ globals.x }}`."""
    env: dict[str, str] = {}
    """The task's own variables, as templates that are not rendered yet."""
    key: str
    """What marks this run's references to variables (grammar/templating/redaction.py): random, in hex."""


class PrepareRequest(BaseModel):
    """Asks `prepare` whether a task runs, over which items, and with which prompts. It answers with a Page."""

    task: Task
    """The task to prepare."""
    surroundings: TemplateContext
    """What its templates may read beside `outputs`, `inputs` and `result`."""
    outputs: dict[str, JsonValue] = {}
    """What earlier tasks published, by their ids, as far as the run keeps it itself."""
    stored: dict[str, StoredDocument] = {}
    """What else earlier tasks published, by their ids: it is in payload storage."""
    result: ToolResult | None = None
    """The result that `repeat_prompt` repeats over; None: there is none."""
    prompts: dict[str, str] = {}
    """The texts that templates include, by name."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run, as in all requests."""
    offset: int = 0
    """The number of the first item to prepare, from 0. The condition is asked only with the first."""
    page: StoredDocument | None = None
    """The page, which was prepared earlier and is only to be fetched; None: prepare it."""


class AgentRequest(BaseModel):
    """Asks `run_agent` for one agent run, or for its next leg. It answers with a BranchResult."""

    task: str = ""
    """What names the task within the run: its branches share toolboxes with `lifetime: task`."""
    fans_out: bool = False
    """Whether the task may have other branches, which will need the same servers."""
    prompt: str
    """What the agent is told first, rendered."""
    agents: list[AgentSpec]
    """The agents, the primary one first."""
    toolboxes: dict[str, Toolbox] = {}
    """The toolboxes that all of the agents may use, by name."""
    model: ModelSpec = ModelSpec()
    """The model that all of the agents run on."""
    model_number: int = 0
    """Which of `models` that is, from 0: those after the first are its fallbacks."""
    models: list[str] = []
    """The models that the branch may ask, one where the one before fails, by name; empty: there is one alone."""
    max_turns: int
    """How many answers of the model the agents may use up together, in all legs."""
    blocked_tools: list[str] = []
    """Names of tools that the agents do not get."""
    headless: bool = False
    """Whether tools that a toolbox has under `confirm` run without asking a person."""
    exclude_from_context: bool = False
    """Whether the run ends after the first round of tool calls, without telling the model what they gave."""
    capture: Literal["tool_result", "response"] = "tool_result"
    """What the value is: the last tool result, or the final text."""
    outputs: Schema | None = None
    """What the value has to satisfy; None: it may be anything."""
    outputs_retries: int = 1
    """How often the agent may repair a value that breaks `outputs`."""
    leg: Leg | None = None
    """Where the run waited for approval, and goes on from; None: it starts, or goes on from its journal."""
    verdicts: list[ApprovalDecision] = []
    """What people said of the calls of `leg`."""
    journal: str = ""
    """The journal to go on from: the id of the activity that began it. Empty: this activity begins its own."""
    recorded: list[str] = []
    """The journal's lines, where no storage keeps journals; else empty."""
    outcomes: dict[int, bool] = {}
    """Whether to repeat a call that was interrupted, by the number of the call in the journal, from 0."""
    rehearsal: BranchScript | None = None
    """What answers in place of the model; None: the run is no dry run."""
    surroundings: TemplateContext
    """What the templates of toolboxes may read."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run."""
    kept: int = KEPT_OF_TASK
    """How many bytes of JSON the result may have; a larger one goes to payload storage, where there is one."""
    folder: str = ""
    """Where the processes of toolboxes run, if the worker has it: the folder the run was started in. Empty: its own."""
    sandbox: SandboxChoice | None = None
    """What holds the processes of toolboxes that say nothing of it themselves; None: nothing."""
    allowance: Allowance | None = None
    """What the leg may spend; None: as much as there is need for."""


class ShellRequest(BaseModel):
    """Asks `run_shell` for one run of a bash script. It answers with a BranchResult."""

    script: str
    """The script, as it is written: it is not a template."""
    withheld: list[str] = []
    """Names of variables of the worker that the script does not get, beside those it never gets."""
    outputs: Schema | None = None
    """What the value has to satisfy; None: it may be anything."""
    rehearsal: BranchScript | None = None
    """What answers in place of the script; None: the run is no dry run."""
    surroundings: TemplateContext
    """The variables for the script's process, and what their templates may read."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run."""
    kept: int = KEPT_OF_TASK
    """How many bytes of JSON the result may have; a larger one goes to payload storage, where there is one."""
    folder: str = ""
    """Where the script runs, if the worker has it: the folder that the run was started in. Empty: the worker's own."""
    sandbox: SandboxChoice | None = None
    """What holds the script; None: nothing."""


class GatheredBranch(BaseModel):
    """What one branch of a fan-out gave, on its way into the task's list."""

    item: int
    """The number of its item, from 0."""
    model: str
    """Its model, as the file names it, else the provider's id; empty for a script."""
    result: Value = Value()
    """What it gave; null where it failed."""
    error: str | None = None
    """Why it failed; None: it did not."""


class GatherRequest(BaseModel):
    """Asks `gather` for the list that a fan-out publishes. It answers with a Value."""

    branches: list[GatheredBranch]
    """The branches, in item-then-model order."""
    pages: list[StoredPage] = []
    """The pages that have the items; empty: `items` has them."""
    items: dict[int, JsonValue] = {}
    """The items, by number from 0; empty where `pages` has them."""
    meaning: Meaning = 1
    """The `meaning` of the run's Bundle."""


class CountUsageRequest(BaseModel):
    """Asks `count_usage` what an agent run has used. It answers with a Usage."""

    key: str
    """What marks the run's references to variables: the `key` of its TemplateContext."""
    journal: str
    """The journal: the id of the activity that began it."""
    secrets: list[str] = []
    """Names of the variables that `env()` has handed out so far in the run."""
