"""A new run of an edited file does not pay for what an earlier run gave."""

from tests.e2e.conftest import Desk, Scripted
from tests.support.scripted_endpoint import Reply

FLOW = """
taskflow:
  - task: {name: list, id: names, run: "echo '[1, 2]'; echo ran >> ran"}
  - task:
      name: each
      id: each
      repeat_prompt: true
      agents: [./brief.yaml]
      capture: response
      user_prompt: "{{ env('WORD') }} {{ result }}"
  - task:
      name: sum
      agents: [./brief.yaml]
      user_prompt: "PROMPT {{ outputs.each | length }}"
"""


def test_the_last_task_was_edited(desk: Desk, scripted: Scripted) -> None:
    desk.write("flow.yaml", FLOW.replace("PROMPT", "first"))
    endpoint = scripted([Reply(text="said $PROMPT")])
    desk.env["WORD"] = "secret-word"
    first = desk.run("flow.yaml", "--id", "one", "--json")
    assert first.code == 0, first.err
    desk.write("flow.yaml", FLOW.replace("PROMPT", "second"))
    second = desk.run("flow.yaml", "--id", "two", "--from", "one", "--json")
    assert second.code == 0, second.err
    assert "taken over from run one: list, each" in second.err
    assert [one.prompt for one in endpoint.requests] == ["secret-word 1", "secret-word 2", "first 2", "second 2"]
    assert (desk.folder / "ran").read_text() == "ran\n"
    assert second.json["outputs"]["each"] == first.json["outputs"]["each"]
    assert second.json["usage"]["requests"] == 1
    desk.write("flow.yaml", FLOW.replace("[1, 2]", "[1, 2, 3]"))
    refused = desk.run("flow.yaml", "--from", "one", "--from-task", "sum")
    assert (refused.code, refused.out) == (2, "")
    assert "run one cannot be taken over up to 'sum': task 'list' differs: run" in refused.err
    assert desk.run("flow.yaml", "--from", "nope").code == 2
