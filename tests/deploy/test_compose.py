"""The structure of docker-compose.temporal.yml. No engine is needed: what is checked is what people rely on."""

from pathlib import Path
from typing import Any

import pytest
import yaml

COMPOSE: dict[str, Any] = yaml.safe_load(Path("docker-compose.temporal.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
KEYS = ("AI_API_TOKEN", "COPILOT_TOKEN", "OPENAI_API_KEY", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")


def test_services() -> None:
    assert set(SERVICES) == {"postgresql", "temporal", "temporal-ui", "worker"}


@pytest.mark.parametrize("name", ["postgresql", "temporal", "temporal-ui"])
def test_every_server_has_a_health_check(name: str) -> None:
    assert SERVICES[name]["healthcheck"]["test"][0] in ("CMD", "CMD-SHELL")


def test_the_server_is_healthy_once_it_has_the_namespace() -> None:
    assert SERVICES["temporal"]["healthcheck"]["test"][1:7] == [
        "temporal",
        "operator",
        "namespace",
        "describe",
        "-n",
        "default",
    ]


@pytest.mark.parametrize(
    ("name", "needs"), [("temporal", "postgresql"), ("temporal-ui", "temporal"), ("worker", "temporal")]
)
def test_each_waits_for_what_it_needs(name: str, needs: str) -> None:
    assert SERVICES[name]["depends_on"][needs]["condition"] == "service_healthy"


def test_every_port_is_bound_to_this_machine() -> None:
    ports = [port for service in SERVICES.values() for port in service.get("ports", [])]
    assert ports == [port for port in ports if port.startswith("127.0.0.1:")]
    assert len(ports) == 2


def test_the_database_outlives_its_container() -> None:
    assert any(mount.startswith("postgresql:") for mount in SERVICES["postgresql"]["volumes"])
    assert "postgresql" in COMPOSE["volumes"]


def test_no_secret_is_written_down() -> None:
    assert SERVICES["postgresql"]["environment"]["POSTGRES_PASSWORD"].startswith("${")
    assert [SERVICES["worker"]["environment"][key] for key in KEYS] == [None] * len(KEYS)


def test_the_worker_reaches_the_server_inside_the_network() -> None:
    assert SERVICES["worker"]["environment"]["TEMPORAL_ADDRESS"] == "temporal:7233"
    assert SERVICES["worker"]["build"] == "."
