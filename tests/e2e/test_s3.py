"""Big values and journals in S3: starter and worker of a server that somebody else runs, and a bucket."""

import signal
import sys

import pytest

from tests.e2e.conftest import ROOT, Desk, Scripted, end
from tests.support.s3_server import S3
from tests.support.scripted_endpoint import Call, Match, Reply

SECRET = "hunter2-in-the-dark"
SIZE = 400_000

FLOW = f"""
taskflow:
  - task:
      id: big
      env: {{TOKEN: "{{{{ env('THE_SECRET') }}}}"}}
      run: |
        printf '%s ' "$TOKEN"; head -c {SIZE} /dev/zero | tr '\\0' 'x'
  - task:
      agents: [./brief.yaml]
      toolboxes: [./box.yaml]
      user_prompt: |
        log in with {{{{ env('THE_SECRET') }}}}; there are {{{{ outputs.big | length }}}} characters:
        {{{{ outputs.big }}}}
"""

BOX = f"""
server_params:
  kind: stdio
  command: {sys.executable}
  args: ["{ROOT}/tests/support/mcp_server.py"]
  env: {{BOX_SECRET: "{{{{ env('THE_SECRET') }}}}"}}
"""


@pytest.fixture
def clustered(remote: Desk, s3: S3) -> Desk:
    """A desk with a server of its own, and a bucket for what is big."""
    remote.env |= {**s3.env, "TASKFLOW_PAYLOAD_S3": f"s3://{s3.bucket}/flows"}
    return remote


def test_payloads_and_journals_are_in_the_bucket(clustered: Desk, s3: S3, scripted: Scripted) -> None:
    desk = clustered
    desk.write("flow.yaml", FLOW)
    desk.write("box.yaml", BOX)
    endpoint = scripted(
        [
            Reply(when=Match(turn=0), tool_calls=[Call(name="environ", arguments={"name": "BOX_SECRET"})]),
            Reply(text="I was told $PROMPT"),
        ]
    )
    worker = desk.worker("--task-queue", "taskflow", THE_SECRET=SECRET)
    ended = desk.run("flow.yaml", "--json")
    assert ended.code == 0, ended.err
    assert endpoint.requests[0].prompt.startswith(f"log in with {SECRET}; there are 40")
    assert SECRET in endpoint.requests[1].tool_result
    again = desk.run("status", ended.json["run_id"])
    worker.send_signal(signal.SIGTERM)
    stopped = end(worker)
    assert (again.code, stopped.code) == (0, 0)
    objects = s3.objects()
    payloads = [content for key, content in objects.items() if key.startswith("flows/v0/ns/default/")]
    journal = [content for key, content in sorted(objects.items()) if key.startswith("flows/journals/")]
    documents = [content for key, content in objects.items() if key.startswith("flows/documents/")]
    assert len(payloads) + len(journal) + len(documents) == len(objects)
    assert payloads
    assert any(len(content) > SIZE and content.startswith("⟦env:".encode()) for content in documents)
    assert all(len(content) > SIZE for content in payloads)
    assert [
        next(word for word in (b"answer", b"call", b"result", b"by") if b'"%s":' % word in line) for line in journal
    ] == [b"by", b"answer", b"call", b"result", b"answer"]
    written = [*objects.values(), *(one.encode() for one in (ended.out, ended.err, again.out, again.err, stopped.err))]
    assert not [text for text in written if SECRET.encode() in text or b"key-of-the-tests" in text]
    assert "Warning" not in ended.err + again.err + stopped.err


@pytest.mark.parametrize(
    ("program", "env", "said"),
    [
        ("starter.py", {"TASKFLOW_PAYLOAD_S3": "flows"}, "'flows'; write s3://BUCKET or s3://BUCKET/PREFIX"),
        ("starter.py", {"TASKFLOW_PAYLOAD_DIR": "/shared"}, "TASKFLOW_PAYLOAD_DIR are both set"),
        ("worker.py", {"TASKFLOW_PAYLOAD_S3": "s3://elsewhere"}, "TASKFLOW_PAYLOAD_S3: there is no bucket elsewhere"),
    ],
)
def test_what_is_wrong_is_said_in_one_line(clustered: Desk, program: str, env: dict[str, str], said: str) -> None:
    clustered.write("flow.yaml", "taskflow:\n  - task: {run: echo}\n")
    ended = end(clustered.popen(program, *(["flow.yaml"] if program == "starter.py" else []), **env))
    assert (ended.code, ended.err.count("\n")) == (2, 1), ended.err
    assert said in ended.err
