"""The keys that sign: whose they are, who can read them, and how they are changed."""

import os
import stat
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from temporalio.api.common.v1 import Payload

from grammar.errors import UserError
from runtime.signing import keys

KEYS = ["k" * 32, "l" * 43, "m" * 44]


@pytest.fixture
def generous() -> Iterator[None]:
    """As a process that gives its files to everybody."""
    before = os.umask(0)
    yield
    os.umask(before)


def test_the_key_of_a_state_folder_is_its_owners_alone(tmp_path: Path, generous: None) -> None:
    assert keys.owner(tmp_path) is None
    made = keys.new()
    keys.keep(tmp_path, made, ["b" * 64])
    found = keys.owner(tmp_path)
    assert found and (found.keys, found.before) == (made.keys, frozenset({"b" * 64}))
    (file,) = tmp_path.iterdir()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_of_many_keys_at_the_same_moment_one_is_kept(tmp_path: Path) -> None:
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: keys.keep(tmp_path, keys.new(), ()), range(32)))
        first = keys.owner(tmp_path)
        list(pool.map(lambda _: keys.keep(tmp_path, keys.new(), ()), range(32)))
    assert first and keys.owner(tmp_path) == first
    assert [path.name for path in tmp_path.iterdir()] == ["signing.key"]


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_key_that_others_may_read_is_not_used(tmp_path: Path, mode: int) -> None:
    keys.keep(tmp_path, keys.new(), ())
    (tmp_path / "signing.key").chmod(mode)
    with pytest.raises(UserError, match=r"signing\.key is not yours alone: chmod 600 it"):
        keys.owner(tmp_path)


def test_an_empty_key_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "signing.key").touch(0o600)
    with pytest.raises(UserError, match="cannot be read: it holds no key"):
        keys.owner(tmp_path)


@pytest.mark.parametrize("text", [KEYS[0], f"{KEYS[0]},{KEYS[1]}", f" {KEYS[0]}\n{KEYS[1]}, {KEYS[2]}\n"])
@pytest.mark.parametrize("by_file", [False, True])
def test_keys_for_a_server_of_ones_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, by_file: bool
) -> None:
    file = tmp_path / "key"
    file.touch(0o600)
    file.write_text(text)
    monkeypatch.setenv(*(("TASKFLOW_SIGNING_KEY_FILE", str(file)) if by_file else ("TASKFLOW_SIGNING_KEY", text)))
    signer = keys.configured()
    assert signer
    assert list(signer.keys) == [key.encode() for key in KEYS[: len(signer.keys)]]
    assert len(signer.keys) == len(text.replace(",", " ").split())


def test_without_a_key_nothing_is_signed() -> None:
    assert keys.configured() is None


@pytest.mark.parametrize("text", ["short", f"{KEYS[0]},short", ","])
def test_a_short_key_is_refused(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setenv("TASKFLOW_SIGNING_KEY", text)
    with pytest.raises(UserError, match="TASKFLOW_SIGNING_KEY: a signing key has 32 characters at least") as failed:
        keys.configured()
    assert "short" not in str(failed.value)


@pytest.mark.parametrize("mode", [0o644, 0o606, 0o620])
def test_a_key_file_that_others_may_read_or_write_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, mode: int
) -> None:
    file = tmp_path / "key"
    file.write_text(KEYS[0])
    file.chmod(mode)
    monkeypatch.setenv("TASKFLOW_SIGNING_KEY_FILE", str(file))
    with pytest.raises(UserError, match=f"others may read {file}, or write to it"):
        keys.configured()


def test_a_key_file_that_is_not_there_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TASKFLOW_SIGNING_KEY_FILE", str(tmp_path / "none"))
    with pytest.raises(UserError, match="none cannot be read: No such file or directory"):
        keys.configured()


def test_an_old_key_still_counts_and_the_new_one_signs(monkeypatch: pytest.MonkeyPatch) -> None:
    payload, signers = Payload(data=b"x"), []
    for configured in (KEYS[0], f"{KEYS[1]},{KEYS[0]}", KEYS[1]):
        monkeypatch.setenv("TASKFLOW_SIGNING_KEY", configured)
        signer = keys.configured()
        assert signer
        signers.append(signer)
    old, both, new = signers
    assert both.is_signed(old.sign(payload, ("run",)), ("run",))
    assert not new.is_signed(payload, ("run",))
    assert new.is_signed(both.sign(payload, ("run",)), ("run",))
    assert not old.is_signed(payload, ("run",))
