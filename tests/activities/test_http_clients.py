"""HTTP clients of models and of MCP servers: proxies, and what a base URL holds besides (specification section 6)."""

import pytest

from tests.activities.boxes import calls, http_box, http_server
from tests.activities.conftest import Bench
from tests.support.scripted_endpoint import Call, ScriptedEndpoint


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
    assert endpoint.requests[0].path == "/openai/deployments/x/chat/completions?api-version=2024-10-21"
