"""The published flows: lint of all of them, and some run to their end with their own MCP servers."""

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FunctionLoader, StrictUndefined
from mcp import Client, StdioServerParameters, stdio_client
from mcp.types import TextContent
from pydantic import BaseModel, TypeAdapter

from benchmarks.compare.cases import HERE
from benchmarks.compare.existing import ENGINE, FUZZING, ROOT, PinnedVenv
from benchmarks.compare.program import run
from benchmarks.compare.scripted import NameMatchingEndpoint
from tests.support.endpoint_replies import RecordedRequest, Reply

Json = dict[str, Any]


class PublishedFault(BaseModel, extra="forbid"):
    """A real fault of a published flow, which lint has to report."""

    flow: str
    error: str
    why: str


class ToolCall(BaseModel, extra="forbid"):
    """A call of a server's tool."""

    server: str
    tool: str
    arguments: Json = {}


class LiteralItems(BaseModel, extra="forbid"):
    """Items as they are written."""

    literal: list[Any]


class RealFlow(BaseModel, extra="forbid"):
    """A published flow, and what its servers' databases hold."""

    flow: str
    shows: str
    globals: dict[str, str] = {}
    seeds: list[ToolCall] = []
    items: dict[int, LiteralItems | ToolCall] = {}
    rules: list[Reply] = []
    typed: str | None = None

    @property
    def venv(self) -> PinnedVenv:
        """Return the virtual environment in which its servers run."""
        return FUZZING if self.flow.startswith("seclab_taskflows_fuzzing") else ENGINE


class RealFlows(BaseModel, extra="forbid"):
    """The file real.yaml."""

    faults: list[PublishedFault]
    flows: list[RealFlow]


def compare(scratch: Path) -> list[str]:
    """Lint all published flows, and run some; return what is wrong."""
    real = TypeAdapter(RealFlows).validate_python(yaml.safe_load((HERE / "real.yaml").read_text()))
    wrong = lint(real.faults)
    print("\npublished flows, run with their own MCP servers")
    for number, flow in enumerate(real.flows):
        prompts, found = runs_as_written(flow, scratch / f"real-{number}")
        name = flow.flow.split(".taskflows.")[1]
        print(f"{'!' if found else ' '} {name:70}{prompts:4} prompts  {flow.shows}")
        wrong += found
    return wrong


def lint(faults: list[PublishedFault]) -> list[str]:
    """Lint all published flows; return errors that are not known, and known ones that are not reported."""
    flows = [
        *published(ENGINE.packages(), "seclab_taskflows"),
        *published(FUZZING.packages(), "seclab_taskflows_fuzzing"),
    ]
    errors = [*_lint(ENGINE, flows, "seclab_taskflows."), *_lint(FUZZING, flows, "seclab_taskflows_fuzzing.")]
    print(f"\nlint of {len(flows)} published flows: {len(errors)} errors, {len(faults)} known faults of theirs")
    unknown = [error for error in errors if not any(_is(fault, error) for fault in faults)]
    gone = [fault.flow for fault in faults if not any(_is(fault, error) for error in errors)]
    for fault in faults:
        print(f"  {fault.flow}\n    {fault.error}: {fault.why}")
    return [f"lint: {error}" for error in unknown] + [f"lint: no such error any more in {flow}" for flow in gone]


def published(packages: Path, package: str) -> list[str]:
    """Return the dotted names of a package's taskflows."""
    paths = sorted((packages / package).rglob("*.yaml"))
    found = [path for path in paths if "filetype: taskflow" in path.read_text()]
    return [".".join(path.relative_to(packages).with_suffix("").parts) for path in found]


def _lint(venv: PinnedVenv, flows: list[str], package: str) -> Iterator[str]:
    command = [
        sys.executable,
        str(ROOT / "starter.py"),
        "lint",
        "--json",
        *(x for x in flows if x.startswith(package)),
    ]
    answer = subprocess.run(
        command, check=False, env=os.environ | {"TASKFLOW_PATH": path(venv)}, capture_output=True, text=True
    )
    for problem in json.loads(answer.stdout)["problems"]:
        if problem["severity"] == "error":
            yield f"{problem['file']}:{problem['line']}: {problem['field']}: {problem['message']}"


def _is(fault: PublishedFault, error: str) -> bool:
    return fault.flow.replace(".", "/") + ".yaml" in error and fault.error in error.replace(": : ", ": ")


def path(venv: PinnedVenv) -> str:
    """Return TASKFLOW_PATH: where the flows are, then where the engine's own documents are."""
    return os.pathsep.join(dict.fromkeys([str(venv.packages()), str(ENGINE.packages())]))


def runs_as_written(flow: RealFlow, scratch: Path) -> tuple[int, list[str]]:
    """Run the flow; return how many prompts reached the endpoint, and where they are not what the templates say."""
    (scratch / "data").mkdir(parents=True)
    given = variables(flow, scratch)
    items = asyncio.run(prepared(flow, given))
    words = [word for name, value in flow.globals.items() for word in ("-g", f"{name}={value}")]
    with NameMatchingEndpoint() as endpoint:
        endpoint.start_anew(flow.rules)
        command = [sys.executable, str(ROOT / "starter.py"), flow.flow, *words]
        env = given | {"AI_API_ENDPOINT": endpoint.url, "AI_API_TOKEN": "compare"}
        result = run(command, env, scratch, 240, flow.typed)
        asked = [request for request in endpoint.requests if request.turn == 0]
    if result.code:
        return len(asked), [f"{flow.flow}: exit code {result.code}: ...{result.output[-1500:]}"]
    return len(asked), list(differing(flow, asked, items))


def variables(flow: RealFlow, scratch: Path) -> dict[str, str]:
    """Return the environment in which the flow runs. `python` is that of the flow's own virtual environment."""
    ours = str(Path(sys.executable).parent)
    needed = ("DATA_DIR", "LOG_DIR", "CODEQL_DBS_BASE_PATH", "MEMCACHE_STATE_DIR", "LOGBOOK_STATE_DIR")
    # What a server finds under names that its toolbox maps from DATA_DIR, for the calls that are made directly.
    mapped = ("ALERT_RESULTS_DIR", "REPO_CONTEXT_DIR", "FUZZ_CONTEXT_DIR")
    return {name: str(scratch / "data") for name in (*needed, *mapped)} | {
        "PATH": os.pathsep.join([str(flow.venv.bin), ours, os.environ["PATH"]]),
        "HOME": str(scratch),
        "TERM": "dumb",
        "GH_TOKEN": "none",
        "MEMCACHE_BACKEND": "dictionary_file",
        "TASKFLOW_PATH": path(flow.venv),
        "TASKFLOW_STATE_DIR": str(scratch / "state"),
    }


async def prepared(flow: RealFlow, env: dict[str, str]) -> dict[int, list[Any]]:
    """Fill the database; return the items of each task that repeats, asked of its server without any engine."""
    for call in flow.seeds:
        await called(flow.venv, call, env)
    return {
        number: given.literal if isinstance(given, LiteralItems) else await called(flow.venv, given, env)
        for number, given in flow.items.items()
    }


async def called(venv: PinnedVenv, call: ToolCall, env: dict[str, str]) -> Any:
    with Path(os.devnull).open("w") as nowhere:
        server = StdioServerParameters(command=str(venv.python), args=["-m", call.server], env=env)
        async with Client(stdio_client(server, errlog=nowhere)) as client:
            result = await client.call_tool(call.tool, call.arguments)
    text = "\n".join(part.text for part in result.content if isinstance(part, TextContent))
    try:
        return json.loads(text)
    except ValueError:
        return text


def differing(flow: RealFlow, asked: list[RecordedRequest], items: dict[int, list[Any]]) -> Iterator[str]:
    """Yield what differs, task by task; the order within a task is open."""
    for number, prompts in expected(flow, items):
        got, asked = sorted(request.prompt for request in asked[: len(prompts)]), asked[len(prompts) :]
        for prompt, want in zip(got, sorted(prompts), strict=False):
            if prompt != want:
                yield f"{flow.flow}: task {number}: the prompt is {prompt!r}, not {want!r}"
        if len(got) < len(prompts):
            yield f"{flow.flow}: task {number}: {len(got)} prompts, not {len(prompts)}"
    if asked:
        yield f"{flow.flow}: {len(asked)} prompts too many: {asked[0].prompt!r}"


def expected(flow: RealFlow, items: dict[int, list[Any]]) -> Iterator[tuple[int, list[str]]]:
    """Yield task numbers and their prompts, rendered by plain Jinja and none of our code."""
    document = read(flow.venv, flow.flow)
    given = {**(document.get("globals") or {}), **flow.globals}
    for number, entry in enumerate(document["taskflow"]):
        task = entry["task"]
        if "uses" in task:
            task = {**read(flow.venv, task["uses"])["taskflow"][0]["task"], **task}
        if "run" not in task:
            over = items[number] if task.get("repeat_prompt") else [None]
            yield number, [rendered(flow.venv, task, globals=given, result=item) for item in over]


def rendered(venv: PinnedVenv, task: Json, **names: Any) -> str:
    templates = Environment(
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
        loader=FunctionLoader(lambda name: str(read(venv, name)["prompt"])),
    )
    return templates.from_string(task["user_prompt"]).render(inputs=task.get("inputs") or {}, **names)


def read(venv: PinnedVenv, name: str) -> Json:
    file = Path(name.replace(".", "/") + ".yaml")
    found = next(folder / file for folder in map(Path, path(venv).split(os.pathsep)) if (folder / file).exists())
    return dict(yaml.safe_load(found.read_text()))
