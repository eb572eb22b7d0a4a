"""What goes wrong at the endpoint, seen from the terminal and in Temporal's history."""

import re
from datetime import datetime, timedelta

import pytest

from tests.e2e.conftest import Desk, Scripted, ServedDesk
from tests.support.dev_server import DevServer
from tests.support.scripted_endpoint import Match, Reply

FLOW = """
taskflow:
  - task:
      name: ask
      must_complete: true
      on_failure: fail
      agents: [./brief.yaml]
      user_prompt: hi
      start_to_close_timeout: 2s
      retry: {maximum_attempts: 6, initial_interval: 100ms}
"""


def test_each_passing_fault_is_retried(remote: Desk, dev_server: DevServer, scripted: Scripted) -> None:
    """429, 500, a dropped connection and a timeout, each once."""
    remote.write("flow.yaml", FLOW)
    endpoint = scripted(
        [
            Reply(times=1, status=429, headers={"retry-after": "0.2"}, message="slow down"),
            Reply(times=1, status=500, message="overloaded"),
            Reply(times=1, drop="before"),
            Reply(times=1, drop="middle"),
            Reply(times=1, hang=True),
            Reply(text="at last"),
        ]
    )
    remote.worker()
    run_id = str(remote.folder)
    ended = remote.run("flow.yaml", "--id", run_id)
    assert ended.code == 0, ended.err
    assert "at last" in ended.err
    told = " ".join(line[9:].strip() for line in ended.err.splitlines())
    assert "⏸ ask: RateLimited 429 slow down waits for the endpoint until " in told
    # An attempt that fails and begins again between two looks is not told.
    assert re.search(r"↻ ask: ModelUnavailable .+? attempt \d of 6 failed; attempt \d ", told)
    assert "try: see whether the endpoint is up" in told
    assert [one.rule for one in endpoint.requests] == [0, 1, 2, 3, 4, 5]
    shown = remote.temporal("workflow", "show", "-w", run_id, "-o", "json", address=dev_server.address)
    assert '"attempt": 5' in shown  # a rate limit uses up none
    assert "workflow" in remote.temporal("workflow", "list", address=dev_server.address).lower()


@pytest.mark.parametrize(
    ("status", "kind"), [(400, "BadRequest"), (422, "BadRequest"), (401, "ModelAccess"), (404, "ModelAccess")]
)
def test_final_faults_fail_at_once(served: ServedDesk, status: int, kind: str) -> None:
    served.write("flow.yaml", FLOW)
    endpoint = served.answer([Reply(status=status, message="the provider says why: key-of-the-tests")])
    ended = served.run("flow.yaml", "--json")
    assert (ended.code, ended.json["status"]) == (1, "failed")
    assert len(endpoint.requests) == 1
    failure = ended.json["failure"]
    assert (failure["type"], failure["branch"]) == (kind, 0)
    assert failure["message"].startswith(f"{status} the provider says why")
    assert "key-of-the-tests" not in ended.out + ended.err


OPTIONAL = """
taskflow:
  - task: {name: asks, agents: [./brief.yaml], user_prompt: hi}
  - task: {name: after, run: echo after}
"""


def test_a_failed_optional_task_is_not_called_a_success(served: ServedDesk) -> None:
    served.write("flow.yaml", OPTIONAL)
    served.answer([Reply(status=400, message="no")])
    ended = served.run("flow.yaml")
    assert ended.code == 4
    assert "✓ after done" in ended.err
    assert "completed with failures" in ended.out


def test_what_looks_like_markup_is_told_as_it_is(served: ServedDesk) -> None:
    name, run_id = "x [/b] :smile: [red]y", "i[/d] %"
    (served.folder / "a[").mkdir()
    flow = served.write("a[/b].yaml", f"taskflow:\n  - task: {{name: '{name}', run: 'echo [/e] >&2; exit 3'}}\n")
    ended = served.run(str(flow), "--id", run_id)
    assert ended.code == 4, ended.err
    assert f"✗ {name}: ShellFailed: exit code 3" in ended.out
    assert "/workflows/i%5B%2Fd%5D%20%25?token=" in ended.out
    for looking in (["list"], ["status", run_id], ["manifest", run_id]):
        told = served.run(*looking)
        assert (told.code, name in told.out) == (0, True), (looking, told.out, told.err)


def test_a_wrong_key_ends_the_run_even_in_an_optional_task(served: ServedDesk) -> None:
    served.write("flow.yaml", OPTIONAL)
    served.answer([Reply(status=401, message="wrong key")])
    ended = served.run("flow.yaml")
    assert ended.code == 1
    assert "after" not in ended.out.split("task ")[0]


def test_a_template_fault_ends_the_run_before_any_model_call(served: ServedDesk) -> None:
    served.write(
        "flow.yaml",
        """
taskflow:
  - task: {id: list, run: "echo '[{}, 1]'"}
  - task: {repeat_prompt: true, agents: [./brief.yaml], user_prompt: "{{ result.name }}"}
""",
    )
    endpoint = served.answer([Reply(when=Match())])
    ended = served.run("flow.yaml")
    assert ended.code == 1
    assert "TemplateFailed: user_prompt: undefined name" in ended.out
    assert not endpoint.requests


def test_a_quota_that_is_used_up_parks_at_once(served: ServedDesk) -> None:
    """It comes as a rate limit does, and with a time to wait: nobody waits for it, and nobody asks twice."""
    fan_out = "over: globals.items, async: true, async_limit: 5, agents: [./brief.yaml], user_prompt: '{{ result }}'"
    items = list(range(30))
    served.write("flow.yaml", f"globals: {{items: {items}}}\ntaskflow:\n  - task: {{name: each, {fan_out}}}\n")
    message = "You exceeded your current quota, please check your plan and billing details."
    refusal = Reply(status=429, code="insufficient_quota", message=message, headers={"retry-after": "30"})
    endpoint = served.answer([refusal])
    ended = served.run("flow.yaml", "--id", served.run_id, "--json")
    assert ended.code == 1
    assert 1 <= len(endpoint.requests) <= 5
    assert len({request.prompt for request in endpoint.requests}) == len(endpoint.requests)
    assert "QuotaExhausted: 429 You exceeded your current quota" in ended.err
    assert "raise its limit or wait until it is renewed, then retry" in ended.err
    parked, (task,) = ended.json["parked"], ended.json["tasks"]
    assert "quota" in parked["failure"]["message"]
    since, started = (datetime.fromisoformat(moment) for moment in (parked["since"], task["started"]))
    assert since - started < timedelta(seconds=5)
