"""`rest_server` as a package of its own: installed without the library, it serves a server that is not the library."""

from __future__ import annotations

from pathlib import Path

import pytest

import rest_server
from tests.support.environments import Environment, build_wheel, contents, with_requirements
from tests.support.rest import RestProcess
from tests.support.transcoding.behaviours import RULES, Behaviours
from tests.support.transcoding.contracts import Contract
from tests.support.transcoding.server import TranscodedServer

pytestmark = pytest.mark.slow

OTHERS = ("admin_server", "frontend_server", "library", "library_cli", "library_domain", "service_kit", "flask", "buf")
"""Modules that the new environment must not have."""

LOOK = "import sys, importlib.util as util; print([name for name in sys.argv[1:] if util.find_spec(name)])"


def test_the_package_serves_any_server_with_reflection(tmp_path: Path) -> None:
    wheel = build_wheel("rest_server", tmp_path)
    names, needed = contents(wheel)
    assert {name.partition("/")[0] for name in names if ".dist-info" not in name} == {"rest_server"}
    assert not any(name.endswith(("pyproject.toml", "README.md", ".pyc")) for name in names)
    environment = Environment(tmp_path / "venv", with_requirements(needed))
    environment.install(wheel)
    assert environment.run(LOOK, tmp_path, *OTHERS) == "[]\n"

    behaviours = Behaviours(Contract(RULES))
    server = TranscodedServer(behaviours.contract, behaviours=behaviours.by_method())
    rest = RestProcess([server.address], tmp_path / "rest.log", {"TITLE": "Echoes"})
    rest.command = [environment.python.with_name("library-rest")]
    rest.environment = {"PYTHONPATH": ""}
    try:
        rest.start()
        assert rest.request("GET", "/v1/echo/a?int32_value=1").json()["int32Value"] == 1
        document = rest.request("GET", "/openapi.json").json()
        assert (document["info"]["title"], document["info"]["version"]) == ("Echoes", rest_server.__version__)
        assert "/v1/echo/{text}" in document["paths"]
        for path in ("/", "/docs", "/docs/docs.js", "/docs/swagger-ui-bundle.js", "/docs/swagger-ui.css"):
            assert rest.request("GET", path).status == 200, path
        assert rest.request("GET", "/nowhere").refusal.reason == "PATH_UNKNOWN"
        assert rest.stop() == 0
        assert not [event for event in rest.log_events() if event["level"] not in ("info", "debug")]
    finally:
        rest.close()
        server.stop()
