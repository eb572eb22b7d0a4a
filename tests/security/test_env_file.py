"""`.env` of a working directory that is somebody else's: it leads no key away, runs nothing, and weakens nothing."""

import io
import json
import os
import re
from pathlib import Path

import pytest
from rich.console import Console

from activities.agents.local_model import LocalModel
from activities.agents.model_clients import ModelClients
from commands import env_file
from console.screen import Screen
from grammar.documents.models import ServerParams
from grammar.dot_env_rules import NOT_TAKEN, RECORD, DotEnvRecord, from_dot_env, why_not
from grammar.errors import InvalidFlow, ModelAccess, TemplateFailed, UserError
from grammar.messages.activity_requests import ModelSpec, TemplateContext
from grammar.model_access import endpoint as endpoints
from grammar.preparing.server_params import ResolvedServer, resolve
from grammar.templating.templates import Environ
from runtime import dot_env
from runtime.connection import configured
from tests.activities.conftest import Bench
from tests.docs.pages import REFERENCE, table
from tests.security.hostile_folder import HostileFolder, environment, hostile
from tests.support.scripted_endpoint import ScriptedEndpoint

__all__ = ["environment", "hostile"]
pytestmark = pytest.mark.usefixtures("environment")
KEYS = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY")
SECRET = "sk-the-persons-own-key-0123456789"


async def asked(spec: ModelSpec | None = None) -> None:
    """Ask the model, as a worker in this process does."""
    models = ModelClients(LocalModel())
    model, name = await models.model(spec or ModelSpec())
    client = model._client  # type: ignore[attr-defined]
    try:
        await client.chat.completions.create(model=name, messages=[{"role": "user", "content": "hello"}])
    finally:
        await models.close()


# Keys


@pytest.mark.parametrize("key", KEYS)
@pytest.mark.parametrize("name", ["AI_API_ENDPOINT", "OPENAI_BASE_URL"])
async def test_a_key_of_the_environment_does_not_go_to_an_endpoint_of_the_file(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, name: str, key: str
) -> None:
    monkeypatch.setenv(key, SECRET)
    with ScriptedEndpoint() as evil:
        hostile.write(".env", f"{name}={evil.url}\n")
        dot_env.load()
        await asked()
        assert SECRET not in json.dumps(evil.requests[0].headers)


@pytest.mark.parametrize("key", [*KEYS, "ANTHROPIC_API_KEY"])
@pytest.mark.parametrize(
    ("theirs", "named", "beside"),
    [
        ("AI_API_ENDPOINT", None, {}),
        ("ANTHROPIC_BASE_URL", None, {}),
        ("ANTHROPIC_BASE_URL", "https://evil.example/x", {}),
        ("ANTHROPIC_BASE_URL", "https://evil.example/x", {"AI_API_ENDPOINT": "https://meant.example"}),
    ],
)
def test_a_messages_endpoint_of_the_file_gets_no_key_of_the_environment(
    theirs: str, named: str | None, beside: dict[str, str], key: str
) -> None:
    """Nor does the flow's own `endpoint`, which may name the same host."""
    environ = {theirs: "https://evil.example", key: SECRET, RECORD: str(DotEnvRecord(names=(theirs,))), **beside}
    chosen = endpoints.choose(ModelSpec(api_type="messages", endpoint=named), environ)
    assert chosen.url and chosen.url.startswith("https://evil.example")
    assert chosen.key is None


async def test_a_key_of_the_file_goes_to_its_endpoint(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", SECRET)
    with ScriptedEndpoint() as theirs:
        hostile.write(".env", f"AI_API_ENDPOINT={theirs.url}\nOPENAI_API_KEY=key-of-the-file\n")
        dot_env.load()
        await asked()
        assert theirs.requests[0].headers["authorization"] == "Bearer key-of-the-file"


async def test_a_key_of_the_environment_goes_to_an_endpoint_of_the_environment(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ScriptedEndpoint() as meant:
        monkeypatch.setenv("AI_API_ENDPOINT", meant.url)
        monkeypatch.setenv("AI_API_TOKEN", SECRET)
        hostile.write(".env", "AI_API_ENDPOINT=http://127.0.0.1:9/v1\nAI_API_TOKEN=x\nCOPILOT_DEFAULT_MODEL=m\n")
        dot_env.load()
        await asked()
        assert meant.requests[0].headers["authorization"] == f"Bearer {SECRET}"
        assert meant.requests[0].body["model"] == "m"


@pytest.mark.parametrize(("theirs", "mine"), [("OPENAI_API_KEY", "AI_API_TOKEN"), ("OPENAI_API_KEY", "COPILOT_TOKEN")])
def test_a_key_of_the_file_leads_no_other_key_to_its_host(theirs: str, mine: str) -> None:
    """A key alone decides which host is asked: OpenAI's, or Copilot's."""
    record = str(DotEnvRecord(names=(theirs,)))
    chosen = endpoints.choose(ModelSpec(), {theirs: "x", mine: SECRET, RECORD: record})
    assert (chosen.url, chosen.key) == (endpoints.OPENAI, "x")


@pytest.mark.parametrize("url", [None, "http://127.0.0.1:9/v1"])
@pytest.mark.parametrize("theirs", ["AI_API_TOKEN", "COPILOT_TOKEN"])
def test_the_persons_endpoint_is_asked_with_the_persons_key(theirs: str, url: str | None) -> None:
    """Whoever owns a key may see what was asked with it."""
    record = str(DotEnvRecord(names=(theirs,)))
    where = {"AI_API_ENDPOINT": url} if url else {}
    assert endpoints.choose(ModelSpec(), {theirs: "x", "OPENAI_API_KEY": SECRET, RECORD: record, **where}).key == SECRET


async def test_what_the_client_adds_by_itself_does_not_go_there(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_ORG_ID", SECRET)
    monkeypatch.setenv("OPENAI_PROJECT_ID", SECRET)
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", f"X-Gateway: {SECRET}\nauthorization: {SECRET}")
    with ScriptedEndpoint() as evil:
        hostile.write(".env", f"AI_API_ENDPOINT={evil.url}\nAI_API_TOKEN=theirs\n")
        dot_env.load()
        await asked()
        assert SECRET not in json.dumps(evil.requests[0].headers)


async def test_the_token_of_a_model_does_not_go_there(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OWN_TOKEN", SECRET)
    with ScriptedEndpoint() as evil:
        hostile.write(".env", f"AI_API_ENDPOINT={evil.url}\n")
        dot_env.load()
        with pytest.raises(ModelAccess, match=r"token OWN_TOKEN is not sent .*--env-file"):
            await asked(ModelSpec(token="OWN_TOKEN"))
        assert evil.requests == []


async def test_a_flow_that_names_endpoint_and_token_is_believed(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OWN_TOKEN", SECRET)
    with ScriptedEndpoint() as meant:
        hostile.write(".env", f"AI_API_ENDPOINT={meant.url}\n")
        dot_env.load()
        await asked(ModelSpec(endpoint=meant.url, token="OWN_TOKEN"))
        assert meant.requests[0].headers["authorization"] == f"Bearer {SECRET}"


@pytest.mark.parametrize(
    "text",
    [
        "AI_API_ENDPOINT=http://example.com/${MY_SECRET}",
        "AI_API_ENDPOINT=http://example.com/${MY_SECRET:-x}",
        "A=${MY_SECRET}\nAI_API_ENDPOINT=http://example.com/${A}",
    ],
)
def test_an_endpoint_takes_no_secret_along(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("MY_SECRET", SECRET)
    hostile.write(".env", text)
    read = dot_env.load()
    assert SECRET not in os.environ.get("AI_API_ENDPOINT", "")
    assert read and "AI_API_ENDPOINT" in read.left_out


def test_a_name_that_the_file_gives_another_value_is_its_own(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else it would be enough to name the secret, too."""
    monkeypatch.setenv("MY_SECRET", SECRET)
    hostile.write(".env", "MY_SECRET=x\nAI_API_ENDPOINT=http://example.com/${MY_SECRET}/${HOME}\n")
    dot_env.load()
    assert os.environ["AI_API_ENDPOINT"] == f"http://example.com/x/{os.environ['HOME']}"


# Names


@pytest.mark.parametrize(
    "name",
    [
        "LD_PRELOAD", "LD_LIBRARY_PATH", "LD_AUDIT", "DYLD_INSERT_LIBRARIES", "GCONV_PATH", "BASH_ENV", "ENV",
        "BASH_FUNC_ls%%", "x%%", "x()", "SHELLOPTS", "BASHOPTS", "PS4", "PROMPT_COMMAND", "IFS", "PYTHONPATH",
        "PYTHONSTARTUP",
        "PYTHONHOME", "PYTHONINSPECT", "PYTHONBREAKPOINT", "PYTHONWARNINGS", "PATH", "HOME", "XDG_STATE_HOME", "TMPDIR",
        "SHELL", "PERL5OPT", "RUBYOPT", "NODE_OPTIONS", "NODE_PATH", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "CLASSPATH",
        "GIT_SSH_COMMAND", "GIT_CONFIG_COUNT", "GIT_EXTERNAL_DIFF", "EDITOR", "PAGER", "GH_PAGER", "BROWSER",
        "LESSOPEN", "MAKEFLAGS", "CARGO_BUILD_RUSTC_WRAPPER", "RUSTC_WRAPPER", "GOFLAGS", "PIP_INDEX_URL", "UV_INDEX",
        "npm_config_registry",
        "HTTP_PROXY", "https_proxy", "ALL_PROXY", "no_proxy", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE",
        "CURL_CA_BUNDLE", "SSLKEYLOGFILE", "OPENSSL_CONF", "NODE_EXTRA_CA_CERTS", "NODE_TLS_REJECT_UNAUTHORIZED",
        "TEMPORAL_ADDRESS", "TEMPORAL_CONFIG_FILE", "TEMPORAL_PROFILE", "TEMPORAL_API_KEY", "TEMPORAL_NAMESPACE",
        "TASKFLOW_PATH", "TASKFLOW_STATE_DIR", "TASKFLOW_PAYLOAD_DIR", "TASKFLOW_PAYLOAD_S3", "TASKFLOW_LOCAL_MODEL",
        "TASKFLOW_ENV_ALLOW", "TASKFLOW_ENV_DENYLIST", "TASKFLOW_DOT_ENV", "TASKFLOW_ANY_OTHER", "_TASKFLOW_COMPLETE",
        "OPENAI_CUSTOM_HEADERS", "OPENAI_ORG_ID", "OPENAI_LOG", "ANTHROPIC_CUSTOM_HEADERS", "ANTHROPIC_CONFIG_DIR",
        "AWS_CONFIG_FILE", "AWS_PROFILE", "AWS_ENDPOINT_URL",
        "DOCKER_HOST", "KUBECONFIG", "GRPC_PROXY_EXP", "OTEL_EXPORTER_OTLP_ENDPOINT", "HOSTALIASES", "NETRC",
    ],
)  # fmt: skip
def test_a_name_that_is_not_taken(
    hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, name: str, tmp_path: Path
) -> None:
    monkeypatch.delenv(name, raising=False)
    hostile.write(".env", f"'{name}'={tmp_path}\n")
    read = dot_env.load()
    assert read and (read.taken, read.left_out) == ([], [name])
    assert name == RECORD or name not in os.environ
    assert why_not(name)


@pytest.mark.parametrize(
    "name",
    [
        "AI_API_ENDPOINT", "AI_API_TOKEN", "COPILOT_TOKEN", "COPILOT_DEFAULT_MODEL", "OPENAI_API_KEY",
        "OPENAI_BASE_URL", "MODEL_TEMP", "MODEL_PARALLEL_TOOL_CALLS", "MEMCACHE_STATE_DIR", "LOGBOOK_STATE_DIR",
        "MEMCACHE_BACKEND", "GH_TOKEN", "DATA_DIR", "LOG_DIR", "CODEQL_CLI", "CODEQL_DBS_BASE_PATH",
        "CONTAINER_WORKSPACE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "GOOGLE_API_KEY", "ANTHROPIC_API_KEY",
        "ANTHROPIC_BASE_URL", "COPILOT_INTEGRATION_ID", "NODE_ENV", "any_name",
    ],
)  # fmt: skip
def test_a_name_that_is_taken(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """Keys, endpoints, and what flows ask for: as ever."""
    monkeypatch.delenv(name, raising=False)
    hostile.write(".env", f"{name}=x\n")
    read = dot_env.load()
    assert read and (read.taken, read.left_out) == ([name], [])
    assert os.environ[name] == "x"


def test_the_table_of_the_docs_has_each_kind_with_its_reason() -> None:
    listed = {row[0]: tuple(re.findall("`([^`]+)`", row[1])) for row in table("what such a variable does", REFERENCE)}
    assert listed == {kind.reason: kind.patterns for kind in NOT_TAKEN}


async def test_bash_reads_no_file_that_dot_env_names(hostile: HostileFolder, bench: Bench) -> None:
    hostile.write("rc", f"touch '{hostile.sprung}'\n")
    hostile.write(".env", f"BASH_ENV={hostile.path}/rc\n'BASH_FUNC_echo%%'='() {{ touch {hostile.sprung}; }}'\n")
    dot_env.load()
    assert (await bench.shell("echo hello")).value == "hello\n"
    assert not hostile.has_sprung


def test_no_server_is_believed_that_dot_env_names(hostile: HostileFolder, environment: dict[str, str]) -> None:
    hostile.write("temporal.toml", '[profile.default]\naddress = "example.com:7233"\n')
    hostile.write(".env", f"TEMPORAL_ADDRESS=example.com:7233\nTEMPORAL_CONFIG_FILE={hostile.path}/temporal.toml\n")
    dot_env.load()
    assert configured() is None


# Toolboxes


def server(env: dict[str, str], *from_file: str, **params: object) -> ResolvedServer | TemplateFailed:
    """A toolbox's parameters, rendered where these variables are set; `from_file`: those of them that are of `.env`."""
    record = {RECORD: str(DotEnvRecord(names=from_file))}
    fields = {"kind": "streamable", "url": "http://127.0.0.1/{{ env('WHERE', '') }}", **params}
    return resolve("box", ServerParams.model_validate(fields), TemplateContext(key="k"), Environ(env | record))


@pytest.mark.parametrize("field", ["headers", "optional_headers"])
def test_no_header_of_the_persons_goes_to_where_dot_env_leads(field: str) -> None:
    env = {"WHERE": "x", "TOKEN": SECRET}
    headers = {field: {"Authorization": "Bearer {{ env('TOKEN') }}"}}
    refused = server(env, "WHERE", **headers)
    assert isinstance(refused, TemplateFailed)
    assert "TOKEN is not sent to where a .env that nobody named leads (WHERE)" in str(refused)
    assert SECRET not in str(refused)
    assert isinstance(server(env, "WHERE", "TOKEN", **headers), ResolvedServer)
    assert isinstance(server(env, **headers), ResolvedServer)


def test_no_secret_goes_in_a_url_of_dot_env() -> None:
    env = {"WHERE": "x", "TOKEN": SECRET}
    refused = server(env, "WHERE", url="http://{{ env('WHERE') }}/?key={{ env('TOKEN') }}")
    assert isinstance(refused, TemplateFailed)


def test_dot_env_says_no_command() -> None:
    params = {"kind": "stdio", "command": "{{ env('TOOL', 'safe') }}", "url": None}
    refused = server({"TOOL": "./evil"}, "TOOL", **params)
    assert isinstance(refused, TemplateFailed)
    assert "`command` is not taken from a .env that nobody named (TOOL)" in str(refused)
    named = server({"TOOL": "./mine"}, **params)
    assert isinstance(named, ResolvedServer) and named.params.command == "./mine"


# The file


def test_a_file_that_is_named_is_believed(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_SECRET", "s")
    for name in ("TEMPORAL_ADDRESS", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    hostile.write(".env", "AI_API_TOKEN=of-the-other-file\n")
    file = hostile.write("my.env", "TEMPORAL_ADDRESS=a:1\nHTTP_PROXY=x\nAI_API_ENDPOINT=http://h/${MY_SECRET}\n")
    read = dot_env.load(Path("my.env"))
    assert read and read.taken == ["TEMPORAL_ADDRESS", "HTTP_PROXY", "AI_API_ENDPOINT"]
    assert os.environ["AI_API_ENDPOINT"] == "http://h/s"
    assert from_dot_env(os.environ) == frozenset()
    assert dot_env.load() is None, "a child would read .env besides"
    assert "AI_API_TOKEN" not in os.environ
    assert file.exists()


def test_what_is_set_already_wins(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AI_API_TOKEN", "set")
    hostile.write(".env", "AI_API_TOKEN=x\n")
    dot_env.load()
    dot_env.load(hostile.path / ".env")
    assert os.environ["AI_API_TOKEN"] == "set"


def test_a_child_does_not_read_the_file_again(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    """It may have changed since; and what came from it stays known as such."""
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    hostile.write(".env", "AI_API_ENDPOINT=http://127.0.0.1:9/v1\n")
    dot_env.load()
    hostile.write(".env", "GH_TOKEN=x\n")
    assert dot_env.load() is None
    assert from_dot_env(os.environ) == {"AI_API_ENDPOINT"}
    assert endpoints.choose(ModelSpec(), os.environ).key is None


def test_files_that_never_end(hostile: HostileFolder) -> None:
    os.mkfifo(".env")
    assert dot_env.load() is None
    Path(".env").unlink()
    Path(".env").symlink_to("/dev/zero")
    assert dot_env.load() is None
    Path(".env").unlink()
    with Path(".env").open("wb") as file:
        file.truncate(64 * 1024**3)
    with pytest.raises(UserError, match="is larger than"):
        dot_env.load()


# What is told


def told(named: Path | None = None) -> str:
    lines = io.StringIO()
    console = Console(file=lines, width=10_000)
    env_file.take(named, Screen(console, console, console))
    return lines.getvalue()


def test_what_was_read_is_told_in_one_line(hostile: HostileFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", SECRET)
    hostile.write(".env", "AI_API_ENDPOINT=http://127.0.0.1:9/v1\nGH_TOKEN=ghp_x\nLD_PRELOAD=x\n")
    assert told() == (
        ".env: took AI_API_ENDPOINT, GH_TOKEN; left out LD_PRELOAD; OPENAI_API_KEY is not sent to its endpoint "
        "(to believe all of it: --env-file .env)\n"
    )


def test_an_ordinary_file_is_told_of_in_a_few_words(hostile: HostileFolder) -> None:
    hostile.write(".env", "AI_API_ENDPOINT=http://127.0.0.1:9/v1\nAI_API_TOKEN=x\n")
    assert told() == ".env: took AI_API_ENDPOINT, AI_API_TOKEN\n"


def test_names_cannot_steer_the_terminal_or_fill_it(hostile: HostileFolder) -> None:
    names = "".join(f"'A\\x1b[2J{number}'=x\n" for number in range(5_000)).replace("\\x1b", "\x1b")
    hostile.write(".env", names)
    line = told()
    assert len(line) < 300 and "\x1b" not in line and "and 4,988 more" in line


@pytest.mark.parametrize(
    ("words", "rest", "file"),
    [
        ("flow.yaml --env-file x.env --json", "flow.yaml --json", "x.env"),
        ("--env-file=x.env lint flow.yaml", "lint flow.yaml", "x.env"),
        ("-p who -- say --env-file x", "-p who -- say --env-file x", None),
        ("list", "list", None),
    ],
)
def test_the_option_stands_anywhere(words: str, rest: str, file: str | None) -> None:
    assert env_file.split(words.split()) == (rest.split(), file and Path(file))


@pytest.mark.parametrize("words", ["list --env-file", "--env-file= list", "--env-file -- x"])
def test_the_option_needs_a_file(words: str) -> None:
    with pytest.raises(InvalidFlow, match="name the file"):
        env_file.split(words.split())
