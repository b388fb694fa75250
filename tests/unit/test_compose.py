"""The command `library` finds the services from within every container of docker-compose.yml."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from library_cli.certs.command import settings
from library_cli.certs.folder import CertificateFolder
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
    # The token of a caller is a secret, which belongs into no file.
    assert variables - {"LIBRARY_TOKEN"} == set(expected)
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


def test_the_containers_with_tls_set_what_library_certs_prints_and_check_their_health_with_it() -> None:
    plain, with_tls = (
        yaml.safe_load((ROOT / f"docker-compose{name}.yml").read_text(encoding="utf-8"))["services"]
        for name in ("", ".tls")
    )
    assert set(with_tls) == {name for name, service in plain.items() if name in PORTS or name == "sample"}
    variables: dict[str, str] = {}
    for name, service in with_tls.items():
        assert service["volumes"] == ["./certs:/certs:ro"], name
        assert service["environment"]["LIBRARY_CA"] == "/certs/ca.pem", name
        variables |= service["environment"]
    assert variables.pop("LIBRARY_REST_URL") == "https://rest:8080"
    assert variables == dict(line.split("=") for line in settings(CertificateFolder(Path("/certs"))))
    health = {name: (with_tls[name].get("healthcheck") or plain[name]["healthcheck"])["test"][-1] for name in PORTS}
    assert health["rest"].startswith("https://127.0.0.1:")
    assert all(health[name].startswith("127.0.0.1:") for name in ("admin", "frontend"))
