"""What is installed: the same packages everywhere, and each command in one of them."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import rest_server

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_image_is_built_of_all_packages() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == {
        "pyproject.toml",
        "LICENSE",
        "requirements.lock",
        *(package.partition("/")[0] for package in PACKAGES),
    }


def test_every_command_is_in_a_package() -> None:
    commands = PROJECT["project"]["scripts"].values()
    assert {command.partition(".")[0] for command in commands} <= set(PACKAGES)


def test_every_package_is_there() -> None:
    for package in PACKAGES:
        assert any((ROOT / package).rglob("*.py")), package


def test_each_hook_runs_a_check_of_the_makefile_and_none_is_forgotten() -> None:
    entries = re.findall(r"^ +entry: make ([a-z-]+)$", (ROOT / ".pre-commit-config.yaml").read_text(), re.MULTILINE)
    check = re.search(r"^check: (.*?) ##", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert check is not None
    assert entries == check[1].split()


def test_the_licence_is_the_one_that_the_project_names() -> None:
    assert PROJECT["project"]["license"] == "Apache-2.0"
    assert (ROOT / "LICENSE").read_text().split(maxsplit=4)[:4] == ["Apache", "License", "Version", "2.0,"]
    assert PROJECT["project"]["license-files"] == ["LICENSE"]


def test_rest_server_by_itself_is_of_the_same_version_and_needs_the_same() -> None:
    alone = tomllib.loads((ROOT / "rest_server" / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert set(alone["dependencies"]) <= set(PROJECT["project"]["dependencies"])
    for name in ("license", "requires-python"):
        assert alone[name] == PROJECT["project"][name]
    assert (rest_server.__version__, rest_server.LICENSE) == (PROJECT["project"]["version"], alone["license"])
