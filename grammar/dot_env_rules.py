"""What a `.env` that nobody named may set, and which variables of a process came from one. Pure.

The working directory may be somebody else's: a checkout that is looked at. Its `.env` gives keys, endpoints, and what
flows ask for; but no variable by which a program runs other code, looks elsewhere, or believes somebody else.
"""

import json
import re
from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

RECORD = "TASKFLOW_DOT_ENV"
"""The variable in which a process tells its children what it has read, and what of it they must not believe."""

_NAME = re.compile("[A-Za-z_][A-Za-z0-9_]*")
_TAKEN = (
    "OPENAI_API_KEY", "OPENAI_BASE_URL", "ANTHROPIC_API_KEY", "ANTHROPIC_BASE_URL",
    "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION", "AWS_DEFAULT_REGION",
)  # fmt: skip
"""Names that are taken although a pattern below fits them."""


class NotTaken(NamedTuple):
    """Names that are not taken from a `.env` that nobody named."""

    reason: str
    """What such a variable does."""
    patterns: tuple[str, ...]
    """The names, as patterns in capitals; the case of a name does not matter."""


NOT_TAKEN = (
    NotTaken("is a setting of this program", ("TASKFLOW_*", "_TASKFLOW_*", "_TYPER_*", "TYPER_*")),
    NotTaken(
        "says where programs, their settings and their files are",
        ("PATH", "HOME", "SHELL", "USER", "LOGNAME", "PWD", "OLDPWD", "CDPATH", "TMPDIR", "TMP", "TEMP", "XDG_*"),
    ),
    NotTaken(
        "has programs, shells or libraries run other code",
        (
            "LD_*", "DYLD_*", "GLIBC_*", "MALLOC_*", "GCONV_PATH", "LOCPATH", "NLSPATH", "GGML_*", "LLAMA_*",
            "ENV", "BASH_*", "BASHOPTS", "SHELLOPTS", "PS4", "PROMPT_COMMAND", "IFS", "ZDOTDIR", "FPATH",
            "PYTHON*", "PIP_*", "PIPX_*", "PIPENV_*", "POETRY_*", "UV_*", "VIRTUAL_ENV", "CONDA_*", "PYDANTIC_*",
            "PERL*", "RUBY*", "GEM_*", "BUNDLE_*", "PHPRC", "PHP_INI_SCAN_DIR", "LUA_*", "R_PROFILE*", "R_ENVIRON*",
            "NODE_OPTIONS", "NODE_PATH", "NODE_REPL_*", "NODE_TLS_*", "NPM_*", "YARN_*", "PNPM_*",
            "COREPACK_*", "BUN_*", "DENO_*",
            "JAVA_*", "_JAVA_OPTIONS", "JDK_*", "CLASSPATH", "MAVEN_*", "GRADLE_*", "ANT_*", "SBT_*",
            "GOFLAGS", "GOENV", "GOPATH", "GOROOT", "GOBIN", "GOPROXY", "GOTOOLCHAIN", "GOSUMDB", "GONOSUM*",
            "CARGO_*", "RUSTC*", "RUSTDOC*", "RUSTFLAGS", "RUSTUP_*", "DOTNET_*", "CORECLR_*", "NUGET_*",
            "CC", "CXX", "CPP", "CFLAGS", "CXXFLAGS", "LDFLAGS", "MAKEFLAGS", "GNUMAKEFLAGS", "MAKEFILES", "CMAKE_*",
            "GIT_*", "SSH_*", "EDITOR", "VISUAL", "BROWSER", "PAGER", "*_PAGER", "MANPAGER", "LESSOPEN", "LESSCLOSE",
            "GTK_*", "QT_*", "GIO_*", "GST_*", "TERMINFO*", "TERMCAP",
        ),
    ),
    NotTaken(
        "sends what is asked for, and the keys with it, elsewhere",
        (
            "*_PROXY", "TEMPORAL_*", "OPENAI_*", "ANTHROPIC_*", "AWS_*", "BOTO_*", "GRPC_*", "OTEL_*", "DOCKER_*",
            "KUBECONFIG", "HOSTALIASES", "LOCALDOMAIN", "RES_OPTIONS", "NETRC", "CURL_HOME", "WGETRC",
        ),
    ),
    NotTaken(
        "says which certificates are believed, or writes secrets down",
        ("*SSL_CERT*", "SSL_*", "SSLKEYLOGFILE", "OPENSSL_*", "*_CA_BUNDLE", "*_CA_CERT*", "*_CACERT*", "*_CA_PATH"),
    ),
)  # fmt: skip


def why_not(name: str) -> str | None:
    """Return why a variable of that name is not taken from a `.env` that nobody named; None: it is taken."""
    if not _NAME.fullmatch(name):
        return "is no name of a variable: shells take some of these for functions"
    capitals = name.upper()
    if capitals in _TAKEN:
        return None
    kinds = (kind for kind in NOT_TAKEN if any(fnmatchcase(capitals, pattern) for pattern in kind.patterns))
    return next((kind.reason for kind in kinds), None)


class DotEnvRecord(NamedTuple):
    """What a process, or one that it was started by, has read of `.env` files."""

    read: tuple[str, ...] = ()
    """The paths of the files that are not to be read again, nor at all."""
    names: tuple[str, ...] = ()
    """The variables that have their value from a file that nobody named."""

    @classmethod
    def of(cls, environ: Mapping[str, str]) -> "DotEnvRecord":
        """Return the record of a process with this environment; an empty one where there is none."""
        try:
            found = json.loads(environ.get(RECORD) or "{}")
            return cls(tuple(map(str, found.get("read", ()))), tuple(map(str, found.get("names", ()))))
        except (ValueError, TypeError, AttributeError):  # not of ours
            return cls()

    def __str__(self) -> str:
        """Return the record as the value of RECORD."""
        return json.dumps(self._asdict())


def from_dot_env(environ: Mapping[str, str]) -> frozenset[str]:
    """Return the names of the variables whose values come from a `.env` that nobody named."""
    return frozenset(DotEnvRecord.of(environ).names)
