"""What is installed: the same packages everywhere, and each command in one of them."""

from __future__ import annotations

import tomllib
from pathlib import Path

ROOT = Path(__file__).parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
PACKAGES: list[str] = PROJECT["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"]


def test_the_image_is_built_of_all_packages() -> None:
    let_in = {line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!")}
    assert let_in == {"pyproject.toml", "requirements.lock", *(package.partition("/")[0] for package in PACKAGES)}


def test_every_command_is_in_a_package() -> None:
    commands = PROJECT["project"]["scripts"].values()
    assert {command.partition(".")[0] for command in commands} <= set(PACKAGES)


def test_every_package_is_there() -> None:
    for package in PACKAGES:
        assert any((ROOT / package).rglob("*.py")), package
