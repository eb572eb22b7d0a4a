"""The structure of docker-compose.temporal.yml. No engine is needed: what is checked is what people rely on."""

import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from runtime.local_server.supervisor import SETTINGS

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.temporal.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
KEYS = (
    "AI_API_TOKEN",
    "COPILOT_TOKEN",
    "OPENAI_API_KEY",
    "ANTHROPIC_API_KEY",
    "AWS_SECRET_ACCESS_KEY",
    "AWS_SESSION_TOKEN",
)


JOBS = ("temporal-schema", "temporal-namespace")


def test_services() -> None:
    assert set(SERVICES) == {"postgresql", *JOBS, "temporal", "temporal-ui", "worker"}


@pytest.mark.parametrize("name", ["postgresql", "temporal", "temporal-ui"])
def test_every_server_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


@pytest.mark.parametrize(
    ("name", "needs"),
    [
        ("temporal-schema", "postgresql"), ("temporal", "postgresql"), ("temporal-namespace", "temporal"),
        ("temporal-ui", "temporal"),
    ],
)  # fmt: skip
def test_each_waits_for_the_server_that_it_needs(name: str, needs: str) -> None:
    assert SERVICES[name]["depends_on"][needs]["condition"] == "service_healthy"


@pytest.mark.parametrize(("name", "job"), [("temporal", "temporal-schema"), ("worker", "temporal-namespace")])
def test_each_waits_for_the_job_that_makes_what_it_needs(name: str, job: str) -> None:
    assert SERVICES[name]["depends_on"][job]["condition"] == "service_completed_successfully"
    assert SERVICES[job]["restart"].startswith("on-failure")


def images() -> dict[str, str]:
    """The images of Temporal's own, by service, with the versions that are chosen where nobody says otherwise."""
    found = {name: re.sub(r"\$\{\w+:-(.*)\}", r"\1", service.get("image", "")) for name, service in SERVICES.items()}
    return {name: image for name, image in found.items() if image.startswith("temporalio/")}


def test_versions_belong_together() -> None:
    """The server and its Web UI are those of the embedded server, which all other tests run with."""
    told = subprocess.run(
        [Path(sys.executable).parent / "temporal", "--version"], capture_output=True, text=True, check=False
    )
    server, ui = re.findall(r"(?:Server|UI) ([0-9.]+)", told.stdout)
    assert images() == {
        "temporal": f"temporalio/server:{server}",
        "temporal-schema": f"temporalio/admin-tools:{server}",
        "temporal-namespace": f"temporalio/admin-tools:{server}",
        "temporal-ui": f"temporalio/ui:{ui}",
    }


def run_job(name: str, folder: Path, **programs: str) -> list[str]:
    """The calls that a job makes of programs, which do as their scripts say."""
    for program, script in programs.items():
        path = folder / program.replace("_", "-")
        path.write_text(f'#!/bin/sh\necho "$(basename "$0") $*" >> {folder}/calls\n{script}\n')
        path.chmod(0o755)
    (script,) = SERVICES[name]["command"]
    command = [*SERVICES[name]["entrypoint"], script.replace("$$", "$")]
    subprocess.run(command, env={"PATH": f"{folder}:/usr/bin:/bin"}, check=True, timeout=10)
    return (folder / "calls").read_text().splitlines()


def test_the_schema_is_made_and_brought_up_to_date(tmp_path: Path) -> None:
    versioned = "update-schema -d /etc/temporal/schema/postgresql/v12"
    tool = "temporal-sql-tool --db"
    assert run_job("temporal-schema", tmp_path, temporal_sql_tool="true") == [
        f"{tool} temporal create",
        f"{tool} temporal setup-schema -v 0.0",
        f"{tool} temporal {versioned}/temporal/versioned",
        f"{tool} temporal_visibility create",
        f"{tool} temporal_visibility setup-schema -v 0.0",
        f"{tool} temporal_visibility {versioned}/visibility/versioned",
    ]
    assert set(SERVICES["temporal-schema"]["environment"]) == {
        "SQL_PLUGIN", "SQL_HOST", "SQL_PORT", "SQL_USER", "SQL_PASSWORD",
    }  # fmt: skip


def test_a_schema_that_fails_is_told(tmp_path: Path) -> None:
    with pytest.raises(subprocess.CalledProcessError):
        run_job("temporal-schema", tmp_path, temporal_sql_tool="exit 1")


@pytest.mark.parametrize("is_there", [True, False])
def test_the_namespace_is_registered_once(is_there: bool, tmp_path: Path) -> None:
    calls = run_job("temporal-namespace", tmp_path, temporal=f'test "$3" != describe || {str(is_there).lower()}')
    made = "temporal operator namespace create -n default --retention 90d"
    assert calls[0] == "temporal operator cluster health"
    assert calls[1] == "temporal operator namespace describe -n default"
    assert calls[2:] == ([] if is_there else [made])


def test_the_server_finds_the_settings_that_it_reads(tmp_path: Path) -> None:
    (config,) = SERVICES["temporal"]["configs"]
    assert config["target"] == SERVICES["temporal"]["environment"]["DYNAMIC_CONFIG_FILE_PATH"]
    settings = yaml.safe_load(COMPOSE["configs"][config["source"]]["content"])
    assert settings == {name: [{"value": SETTINGS[name]}] for name in settings}  # as the embedded server has them
    assert "matching.enableFairness" in settings


def test_every_port_is_bound_to_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == [port for port in ports if port.startswith("127.0.0.1:")]
    assert len(ports) == 2


def test_the_database_outlives_its_container() -> None:
    assert any(mount.startswith("postgresql:") for mount in SERVICES["postgresql"]["volumes"])
    assert "postgresql" in COMPOSE["volumes"]


def test_no_secret_is_written_down() -> None:
    """Nor is there a password that everybody knows: without one of their own, people are told to set it."""
    given = [service["environment"] for service in SERVICES.values() if "environment" in service]
    passwords = {variables[name] for variables in given for name in variables if "PASS" in name or "PWD" in name}
    (password,) = passwords
    assert password.startswith("${POSTGRES_PASSWORD:?set it ")
    assert [SERVICES["worker"]["environment"][key] for key in KEYS] == [None] * len(KEYS)


def test_the_worker_reaches_the_server_inside_the_network() -> None:
    assert SERVICES["worker"]["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"
    assert SERVICES["worker"]["build"] == "."
