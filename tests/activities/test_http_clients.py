"""HTTP clients of models and of MCP servers: proxies, and what a base URL holds besides (specification section 6)."""

import pytest

from grammar.messages.activity_requests import ModelSpec
from tests.activities.boxes import calls, http_box, http_server
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, Reply, ScriptedEndpoint


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_no_proxy_is_asked_for_this_machine(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, host: str
) -> None:
    for name in ("HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("NO_PROXY", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AI_API_ENDPOINT", endpoint.url.replace("127.0.0.1", host))
    endpoint.rules = calls(Call(name="lookup", arguments={"key": "a"}))
    with http_server("streamable") as (url, _):
        result = await bench.agent(toolboxes=http_box("streamable", url))
    assert result.value == {"key": "a", "items": [1, 2]}


async def test_a_base_url_with_a_query(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    base = endpoint.url.replace("/v1", "/openai/deployments/x")
    monkeypatch.setenv("AI_API_ENDPOINT", f"{base}?api-version=2024-10-21")
    await bench.agent()
    (asked,) = endpoint.requests
    assert asked.path == "/openai/deployments/x/chat/completions?api-version=2024-10-21"
    assert (asked.headers["api-key"], "authorization" in asked.headers) == ("the-key-of-the-tests", False)


@pytest.mark.parametrize("base", ["", "/v1", "/v1/"])
async def test_a_base_url_of_the_messages_api_may_end_with_its_version(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, base: str
) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", endpoint.url.removesuffix("/v1") + base)
    monkeypatch.setenv("OPENAI_ORG_ID", "an-organization")
    await bench.agent(model=ModelSpec(api_type="messages"))
    (asked,) = endpoint.requests
    assert asked.path == "/v1/messages"
    assert "an-organization" not in asked.headers.values()


@pytest.mark.parametrize("query", ["", "?api-version=1"])
@pytest.mark.parametrize(("api_type", "path"), [("chat_completions", "chat/completions"), ("messages", "messages")])
async def test_a_redirect_takes_no_key_to_another_host(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, api_type: str, path: str, query: str
) -> None:
    monkeypatch.setenv("AI_API_ENDPOINT", endpoint.url + query)
    with ScriptedEndpoint() as other:
        endpoint.rules = [Reply(status=307, headers={"location": f"{other.url}/{path}"})]
        await bench.agent(model=ModelSpec(api_type=api_type))
        assert "the-key-of-the-tests" in str(endpoint.requests[0].headers)
        assert "the-key-of-the-tests" not in str(other.requests[0].headers)


@pytest.mark.parametrize("api_type", ["chat_completions", "messages"])
async def test_an_endpoint_without_a_key_gets_none(
    bench: Bench, endpoint: ScriptedEndpoint, monkeypatch: pytest.MonkeyPatch, api_type: str
) -> None:
    monkeypatch.delenv("AI_API_TOKEN")
    await bench.agent(model=ModelSpec(api_type=api_type))
    assert not {"authorization", "x-api-key", "api-key"} & set(endpoint.requests[0].headers)
