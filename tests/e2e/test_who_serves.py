"""A worker in another terminal: other keys, another model, another folder."""

from pathlib import Path

from tests.e2e.conftest import Desk, Scripted, end
from tests.support.scripted_endpoint import Reply, ScriptedEndpoint

FLOW = """
taskflow:
  - task: {name: where, id: where, run: "cat here.txt"}
  - task: {name: ask, id: answer, agents: [./brief.yaml], capture: response, user_prompt: hello}
"""


def test_who_answers_is_told_and_asked_about(desk: Desk, scripted: Scripted, tmp_path: Path) -> None:
    desk.write("flow.yaml", FLOW)
    desk.write("here.txt", "the starter's\n")
    meant = scripted([Reply(text="meant")])
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    with ScriptedEndpoint([Reply(text="other")]) as other:
        there = Desk(elsewhere, desk.env | {"AI_API_ENDPOINT": other.url}, desk.running)
        worker = there.worker()

        refused = desk.run("flow.yaml", "--id", "refused", "--json")
        assert (refused.code, meant.requests, other.requests) == (2, [], [])
        told = f"{meant.url.rstrip('/')} was meant to answer, and it is {other.url.rstrip('/')}"
        assert told in refused.err.replace("/ ", " ")
        assert "give --yes" in refused.err
        assert desk.run("list", "--json").json["runs"] == []

        went_on = desk.run("flow.yaml", "--yes", "--json")
        assert went_on.code == 0, went_on.err
        assert went_on.json["outputs"] == {"where": "the starter's\n", "answer": "other"}
        assert f"served by worker {worker.pid} in {elsewhere}, model gpt-4.1 at 127.0.0.1" in went_on.err
        assert f"Scripts and servers run in {desk.folder}, where the run was started" in went_on.err
        assert told in went_on.err.replace("/ ", " ")

        (served_by,) = went_on.json["served_by"]
        assert (served_by["pid"], served_by["folder"], served_by["model"]) == (worker.pid, str(elsewhere), "gpt-4.1")
        assert served_by["endpoint"].rstrip("/") == other.url.rstrip("/")

        schedule = ("schedule", "add", "flow.yaml", "--cron", "@yearly", "--json")
        refused = desk.run(*schedule)
        assert (refused.code, told in refused.err.replace("/ ", " ")) == (2, True)
        made = desk.run(*schedule, "--yes")  # there was none of that id
        assert (made.code, made.json["served_by"]) == (0, [served_by])

        same = desk.run("flow.yaml", "--json", AI_API_ENDPOINT=other.url)
        assert (same.code, "was meant" in same.err) == (0, False)
        worker.terminate()
        end(worker)


def test_a_run_is_not_gone_on_with_on_another_model_unasked(desk: Desk, scripted: Scripted) -> None:
    """Parked where its endpoint was set, resumed where another one is."""
    desk.write("flow.yaml", FLOW.replace("id: answer", "must_complete: true, retry: {maximum_attempts: 1}, id: answer"))
    desk.write("here.txt", "x")
    scripted([Reply(status=401, times=1), Reply(text="meant")])
    parked = desk.run("flow.yaml", "--id", "one")
    assert parked.code == 1, parked.err
    refused = desk.run("retry", "one", AI_API_ENDPOINT="http://127.0.0.1:9/v1")
    assert (refused.code, "was meant to answer" in refused.err) == (2, True)
    assert desk.run("retry", "one").code == 0
