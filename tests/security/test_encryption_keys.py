"""Where keys come from, and that no word about a wrong one tells what it is."""

import base64
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload
from temporalio.converter import PayloadCodec

from activities.shell import inherited_environment
from grammar.errors import MissingKey, MissingVariable, UserError
from grammar.templating.templates import Environ
from runtime.encryption import configured
from runtime.encryption.keys import EncryptionKeys
from tests.security.keys import given, key

PLAIN = Payload(metadata={"encoding": b"json/plain"}, data=b'"x"')


def say(monkeypatch: pytest.MonkeyPatch, source: str, value: str) -> None:
    monkeypatch.setenv(f"TASKFLOW_ENCRYPTION_KEYS{source}", value)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "keys"
    path.write_text(f"# the newest first\n{given('b')}\n\n{given('a')} # of last year\n")
    path.chmod(0o600)
    return path


@pytest.mark.parametrize("source", ["", "_FILE", "_COMMAND"])
def test_keys_are_given_in_one_of_three_ways(monkeypatch: pytest.MonkeyPatch, file: Path, source: str) -> None:
    values = {"": given("b", "a").replace(" ", ","), "_FILE": str(file), "_COMMAND": f"cat '{file}'"}
    assert not EncryptionKeys.configured()
    say(monkeypatch, source, values[source])
    keys = EncryptionKeys.configured()
    assert (keys.ids, keys.newest) == (["b", "a"], "b")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_file_that_others_can_read_is_refused(monkeypatch: pytest.MonkeyPatch, file: Path, mode: int) -> None:
    file.chmod(mode)
    say(monkeypatch, "_FILE", str(file))
    with pytest.raises(UserError, match=r"can be read by others; chmod 600 it$"):
        EncryptionKeys.configured()


@pytest.mark.parametrize(
    ("source", "value", "said"),
    [
        ("", given("a").partition(":")[2], "entry 1 is not ID:BASE64"),
        ("", f"{given('a')} b/c:{given('b')}", "entry 2 is not ID:BASE64"),
        ("", given("a")[:-5], "the key 'a' is not 32 bytes in base64; `openssl rand -base64 32` makes one"),
        ("", f"a:{base64.b64encode(key('a')[:16]).decode()}", "the key 'a' is not 32 bytes in base64"),
        ("", given("a") + "!", "the key 'a' is not 32 bytes in base64"),
        ("", given("a") + given("a")[2:], "the key 'a' is not 32 bytes in base64"),
        ("", f"{given('a')} {given('a')}", "there are two keys of the id 'a'"),
        ("", " , ", "gives no key"),
        ("_FILE", "/nowhere/keys", "/nowhere/keys cannot be read: No such file or directory"),
        ("_COMMAND", "no-such-program", "No such file or directory: 'no-such-program'"),
        ("_COMMAND", "'", "cannot be run: No closing quotation"),
        ("_COMMAND", f"sh -c 'echo {given('a')}; exit 3'", "failed, with exit code 3"),
        ("_COMMAND", "head -c 70000 /dev/zero", "gives no list of keys: it is too long, or no UTF-8"),
    ],
)
def test_what_is_wrong_is_said_in_a_line_without_the_key(
    monkeypatch: pytest.MonkeyPatch, source: str, value: str, said: str
) -> None:
    say(monkeypatch, source, value)
    with pytest.raises(UserError) as raised:
        EncryptionKeys.configured()
    message = str(raised.value)
    assert said in message
    assert message.startswith(f"TASKFLOW_ENCRYPTION_KEYS{source}")
    assert (given("a")[2:12] in message, "\n" in message) == (False, False)


def test_a_command_has_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("runtime.encryption.keys.COMMAND_SECONDS", 0.01)
    say(monkeypatch, "_COMMAND", "sleep 30")
    with pytest.raises(UserError, match="did not end within"):
        EncryptionKeys.configured()


def test_keys_come_from_one_place(monkeypatch: pytest.MonkeyPatch, file: Path) -> None:
    say(monkeypatch, "", given("a"))
    say(monkeypatch, "_FILE", str(file))
    with pytest.raises(UserError, match="KEYS and TASKFLOW_ENCRYPTION_KEYS_FILE are both set"):
        EncryptionKeys.configured()


def test_no_script_and_no_template_gets_the_keys() -> None:
    process = {f"TASKFLOW_ENCRYPTION_KEYS{source}": "x" for source in ("", "_FILE", "_COMMAND")}
    process |= {"TASKFLOW_CODEC_TOKEN": "x", "TASKFLOW_STATE_DIR": "kept"}
    assert inherited_environment(process) == {"TASKFLOW_STATE_DIR": "kept"}
    for name in process.keys() - {"TASKFLOW_STATE_DIR"}:
        with pytest.raises(MissingVariable):
            Environ(process)(name)


# A codec of a team's own


class Reversing(PayloadCodec):
    """No encryption, but what is encoded cannot be read as it is."""

    async def encode(self, payloads: Sequence[Payload]) -> list[Payload]:
        encoded = [payload.SerializeToString()[::-1] for payload in payloads]
        return [Payload(metadata={"encoding": b"binary/reversed"}, data=data) for data in encoded]

    async def decode(self, payloads: Sequence[Payload]) -> list[Payload]:
        return [Payload.FromString(payload.data[::-1]) for payload in payloads]


MADE = Reversing()
NO_CODEC = "no codec"
HERE = "tests.security.test_encryption_keys"


@pytest.mark.parametrize("name", ["Reversing", "MADE"])
async def test_a_codec_of_a_team_is_used(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])
    monkeypatch.setenv("TASKFLOW_CODEC", f"{HERE}:{name}")
    found = configured.configured()
    (encoded,) = await found.codec.encode([PLAIN])
    assert (found.is_on, encoded.metadata["encoding"]) == (True, b"binary/reversed")
    assert await found.codec.decode([encoded]) == [PLAIN]


async def test_what_a_codec_of_a_team_raises_is_told_as_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])
    monkeypatch.setenv("TASKFLOW_CODEC", f"{HERE}:MADE")
    with pytest.raises(MissingKey, match=f"^TASKFLOW_CODEC={HERE}:MADE failed: DecodeError: "):
        await configured.configured().codec.decode([Payload(data=b"\xff")])


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("json", "is 'json'; write MODULE:OBJECT"),
        ("no_such_module:x", "no_such_module:x cannot be loaded: ModuleNotFoundError"),
        ("json:nothing", "json:nothing cannot be loaded: AttributeError"),
        (f"{HERE}:NO_CODEC", "is no PayloadCodec of temporalio.converter"),
    ],
)
def test_what_is_no_codec_is_said_in_a_line(monkeypatch: pytest.MonkeyPatch, name: str, said: str) -> None:
    monkeypatch.setitem(sys.modules, HERE, sys.modules[__name__])
    monkeypatch.setenv("TASKFLOW_CODEC", name)
    with pytest.raises(UserError, match=r"^TASKFLOW_CODEC") as raised:
        configured.configured()
    assert said in str(raised.value)


def test_one_of_the_two_encrypts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_CODEC", f"{HERE}:MADE")
    say(monkeypatch, "", given("a"))
    with pytest.raises(UserError, match="TASKFLOW_CODEC and TASKFLOW_ENCRYPTION_KEYS are both set"):
        configured.configured()
    assert os.environ["TASKFLOW_CODEC"] and key("a")
