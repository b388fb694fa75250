"""The command `library` finds the services from within every container of docker-compose.yml."""

from __future__ import annotations

import importlib
from typing import Any

from library_cli.http_health import is_http_url
from library_cli.status.command import status_command
from rest_server.guards.origins import hosts_to_answer
from tests.support.processes import ROOT

PORTS = {"admin": "50052", "frontend": "50051", "rest": "8080"}

yaml: Any = importlib.import_module("yaml")
"""PyYAML, which the linters of the contract and the documents bring; it has no types."""


def test_every_container_sets_the_addresses_of_the_services() -> None:
    services = yaml.safe_load((ROOT / "docker-compose.yml").read_text(encoding="utf-8"))["services"]
    expected = {
        "LIBRARY_ADMIN_TARGET": "admin:50052",
        "LIBRARY_FRONTEND_TARGET": "frontend:50051",
        "LIBRARY_REST_URL": "http://rest:8080",
    }
    variables = {str(option.envvar) for option in status_command.params if getattr(option, "envvar", None)}
    assert variables == set(expected)
    assert is_http_url(expected["LIBRARY_REST_URL"])
    for name, service in services.items():
        if service["image"] == "lending-library":
            environment = service["environment"]
            assert {variable: environment.get(variable) for variable in expected} == expected, name
    for name, port in PORTS.items():
        listen = services[name]["environment"][f"LIBRARY_{name.upper()}_LISTEN"]
        assert listen.rpartition(":")[2] == port
    rest = services["rest"]["environment"]
    allowed = rest["LIBRARY_REST_ALLOWED_HOST"].split()
    assert "rest" in hosts_to_answer(rest["LIBRARY_REST_LISTEN"], "0.0.0.0:8080", allowed)
