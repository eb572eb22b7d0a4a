"""What a policy lets through, and what goes on working in a sandbox (specification section 10)."""

import asyncio
import socket
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from activities.guardian.pipes import NOTHING, Streams
from activities.sandbox import host_filter
from activities.sandbox.sandboxes import Program, Sandboxes
from grammar.documents.models import SandboxChoice
from grammar.errors import SandboxRefused
from tests.security.sandboxed import needs_sandbox, run

# The network: hosts that are named, by a proxy


@contextmanager
def _hosts(number: int) -> Iterator[list[int]]:
    """Serve HTTP on this machine's loopback, on so many ports."""
    with ExitStack() as stack:
        servers = [stack.enter_context(ThreadingHTTPServer(("127.0.0.1", 0), Greeter)) for _ in range(number)]
        for server in servers:
            Thread(target=server.serve_forever, daemon=True).start()
            stack.callback(server.shutdown)
        yield [server.server_port for server in servers]


class Greeter(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        self.wfile.write(f"hello from {self.server.server_address[1]}{self.path}".encode())  # type: ignore[index]

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Say nothing."""


ASK = """
import socket, sys, urllib.error, urllib.request
named, other = sys.argv[1:]
for url in (f"http://127.0.0.1:{named}/a?b", f"http://127.0.0.1:{other}/", f"http://localhost:{named}/"):
    try:
        print(urllib.request.urlopen(url, timeout=10).read().decode())
    except urllib.error.HTTPError as error:
        print(error.code, error.read().decode().strip())
for port in (named, other):
    with socket.create_connection(("127.0.0.1", 3128)) as proxy:
        proxy.sendall(f"CONNECT 127.0.0.1:{port} HTTP/1.1\\r\\n\\r\\n".encode())
        print(proxy.recv(100).split(b"\\r\\n")[0].decode())
try:
    socket.create_connection(("127.0.0.1", int(named)), 5)
except OSError as error:
    print(error)
"""


@needs_sandbox
def test_hosts_that_the_policy_names_can_be_asked_and_no_others(tmp_path: Path) -> None:
    (tmp_path / "ask.py").write_text(ASK)
    with _hosts(2) as (named, other):
        ended = run(f"{sys.executable} ask.py {named} {other}", tmp_path, {"network": [f"127.0.0.1:{named}"]})
    assert ended.out.splitlines() == [
        f"hello from {named}/a?b",
        f"403 the policy of the sandbox does not name 127.0.0.1:{other}",
        f"403 the policy of the sandbox does not name localhost:{named}",
        "HTTP/1.1 200 Connected",
        "HTTP/1.1 403 Refused",
        "[Errno 111] Connection refused",
    ]


@needs_sandbox
def test_with_all_of_the_network_it_is_the_workers(tmp_path: Path) -> None:
    with _hosts(1) as (port,):
        script = (
            f"{sys.executable} -c 'import urllib.request as u; print(u.urlopen(\"http://127.0.0.1:{port}/\").read())'"
        )
        assert "hello" in run(script, tmp_path, {"network": "all"}).out


@pytest.mark.parametrize(
    ("address", "host", "right"),
    [
        ("93.184.216.34", "example.com", True),
        ("10.1.2.3", "packages.example.com", True),
        ("127.0.0.1", "example.com", False),
        ("::1", "example.com", False),
        ("::ffff:127.0.0.1", "example.com", False),
        ("169.254.169.254", "example.com", False),
        ("fe80::1%2", "example.com", False),
        ("0.0.0.0", "example.com", False),
        ("127.0.0.1", "localhost", True),
        ("127.0.0.1", "127.0.0.1", True),
        ("169.254.169.254", "169.254.169.254", True),
    ],
)
def test_a_name_leads_to_this_machine_only_where_it_says_so(address: str, host: str, right: bool) -> None:
    assert host_filter.is_right(address, host) == right


@pytest.mark.parametrize(
    "head",
    ["GET / HTTP/1.1", "GET https://x/ HTTP/1.1", "CONNECT x HTTP/1.1", "CONNECT x:y HTTP/1.1", "nonsense", "",
     "GET http://x:99999/ HTTP/1.1", "GET ftp://x/ HTTP/1.1", "GET http:// HTTP/1.1"],
)  # fmt: skip
def test_what_is_no_request_to_a_proxy(head: str) -> None:
    with pytest.raises(host_filter.RefusedRequest, match=r"^400 "):
        host_filter.parse(f"{head}\r\n\r\n".encode())


@pytest.mark.parametrize(
    ("head", "address", "sent"),
    [
        ("CONNECT Example.com:443 HTTP/1.1\r\nHost: other:1\r\n", "example.com:443", None),
        ("CONNECT [::1]:443 HTTP/1.1\r\n", "[::1]:443", None),
        ("GET http://u:p@Example.com/a?b#c HTTP/1.1\r\nHost: other\r\nProxy-Connection: x\r\nA: b\r\n",
         "example.com:80",
         "GET /a?b HTTP/1.1\r\nHost: Example.com\r\nConnection: close\r\nA: b\r\n\r\n"),
    ],
)  # fmt: skip
def test_what_a_request_to_the_proxy_asks_for(head: str, address: str, sent: str | None) -> None:
    request = host_filter.parse(f"{head}\r\n".encode())
    assert request.address == address
    assert sent is None or request.head.decode() == sent


async def test_a_sandbox_takes_so_many_connections_and_no_more(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(host_filter, "AT_ONCE", 2)
    is_over = asyncio.Event()
    listening = socket.create_server(("127.0.0.1", 0))
    port = listening.getsockname()[1]
    serving = asyncio.create_task(host_filter.HostFilter([]).serve(listening, is_over.wait()))
    held = [await asyncio.open_connection("127.0.0.1", port) for _ in range(2)]
    one_more = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(10):
        assert await one_more[0].read() == b""
        is_over.set()
        await serving
        assert [await reader.read() for reader, _ in held] == [b"", b""]
    for _, writer in [*held, one_more]:
        writer.close()


# What must go on working


@needs_sandbox
@pytest.mark.parametrize("choice", ["workspace", "offline"])
def test_a_sandbox_has_few_variables_and_its_folder(choice: str, tmp_path: Path) -> None:
    ended = run("env -0 | tr '\\0' '\\n' | cut -d= -f1; touch made", tmp_path, choice)
    assert set(ended.out.split()) == {
        "PATH",
        "HOME",
        "LANG",
        "TMPDIR",
        "PWD",
        "SHLVL",
        "_",
    }  # the last three are bash's
    assert (tmp_path / "made").exists()


@needs_sandbox
def test_a_policy_names_what_may_be_read_and_written(tmp_path: Path) -> None:
    for name in ("folder/out", "read", "write", "other"):
        (tmp_path / name).mkdir(parents=True)
    script = (
        "for f in . out ../read ../write ../other; do touch $f/x 2>/dev/null && echo $f; done; ls .. | tr '\\n' ' '"
    )
    policy = {"read": [str(tmp_path / "read")], "write": ["out", str(tmp_path / "write")]}
    assert run(script, tmp_path / "folder", policy).out == "out\n../write\nfolder read write "


@needs_sandbox
def test_a_symbolic_link_in_the_folder_is_no_way_out(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "folder/out").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SandboxRefused, match="names out, and that is a symbolic link"):
        run("touch out/x", tmp_path / "folder", {"write": ["out"]})


@needs_sandbox
@pytest.mark.parametrize(("script", "code"), [("exit 7", 7), ("kill -9 $$", 137), ("exit 0", 0), ("nonesuch", 127)])
def test_exit_codes_come_through(script: str, code: int, tmp_path: Path) -> None:
    assert run(script, tmp_path).code == code


@needs_sandbox
def test_a_script_hears_that_it_is_to_end(tmp_path: Path) -> None:
    async def ended() -> int:
        sandboxes = Sandboxes()
        script = "trap 'echo heard > heard; exit 3' TERM; echo up; while :; do sleep 0.05; done"
        program = Program(["bash", "-c", script], {}, {}, str(tmp_path))
        process = await sandboxes.start(program, sandboxes.policy(SandboxChoice()), Streams(NOTHING))
        assert process.stdout
        await process.stdout.readline()
        await process.end()
        return await process.wait()

    assert asyncio.run(ended()) == 3
    assert (tmp_path / "heard").read_text() == "heard\n"


@needs_sandbox
@pytest.mark.parametrize("folder", ["home", "home/..", "/", "/tmp", "/usr"])
def test_a_folder_that_is_shared_is_not_shown(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "home").mkdir()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    with pytest.raises(SandboxRefused, match="start the run in a folder of its own"):
        run("true", tmp_path / folder)


@needs_sandbox
def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(SandboxRefused, match="the sandbox's `read` names gone, which is not on this worker"):
        run("true", tmp_path, {"read": ["gone"]})


@needs_sandbox
@pytest.mark.parametrize("choice", ["workspace", "offline"])
def test_what_the_worker_has_read_is_not_shown(choice: str, tmp_path: Path) -> None:
    for name in (".env", "keys/prod.env", "other"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
    ended = run("cat .env keys/prod.env other", tmp_path, choice, Sandboxes(hidden=[tmp_path / "keys/prod.env"]))
    assert ended.out == "other"


@needs_sandbox
def test_a_virtual_environment_may_have_the_name_of_a_file_of_keys(tmp_path: Path) -> None:
    (tmp_path / ".env").mkdir()
    (tmp_path / ".env/made").write_text("x")
    assert run("ls .env", tmp_path).out == "made\n"
