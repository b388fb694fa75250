"""The settings, targets, links and folders in the README and in docs/ are compared with the real ones."""

from __future__ import annotations

import re

import click
import pytest

import admin_server.__main__
import frontend_server.__main__
import library_cli.__main__
import rest_server.__main__
from tests.support.processes import ROOT

README = (ROOT / "README.md").read_text(encoding="utf-8")
SETTINGS = (ROOT / "docs" / "settings.md").read_text(encoding="utf-8")


SERVERS = {
    "admin": admin_server.__main__.commands,
    "frontend": frontend_server.__main__.commands,
    "rest": rest_server.__main__.commands,
}


def settings_of(server: str) -> dict[str, str]:
    """The flags of `serve` and their defaults, as the README writes them; each has a variable of the same name."""
    found = {}
    for option in SERVERS[server].commands["serve"].params:
        assert isinstance(option, click.Option)
        (flag,) = option.opts
        assert option.envvar == f"LIBRARY_{server.upper()}_{flag[2:].replace('-', '_').upper()}"
        default = " ".join(option.default) if isinstance(option.default, tuple) else option.default
        if not isinstance(default, (str, int, float)):
            shown = re.search(r"\[default: (.*)\]", option.help or "")
            assert shown is not None
            found[flag] = shown[1]
        else:
            found[flag] = f"`{default:g}`" if isinstance(default, float) else f"`{default}`"
    return found


def test_the_settings_of_the_servers_are_those_in_the_table() -> None:
    rows = re.findall(r"^\| `(--[\w-]+)` \| (.*?) \| (.*?) \| (.*?) \| .+ \|$", SETTINGS, re.MULTILINE)
    documented = {
        server: {flag: defaults[place] for flag, *defaults in rows if defaults[place] != "-"}
        for place, server in enumerate(SERVERS)
    }
    assert documented == {server: settings_of(server) for server in SERVERS}


def test_the_settings_of_the_command_are_documented() -> None:
    variables = {
        (option.opts[0], option.envvar, f"`{option.default}`" if isinstance(option.default, str) else "none")
        for command in library_cli.__main__.every_command().values()
        for option in command.params
        if isinstance(option, click.Option) and option.envvar
    }
    for flag, variable, default in variables:
        assert f"`{flag}` or `{variable}` ({default})" in SETTINGS


def test_every_make_target_and_every_link_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    documents = [ROOT / "README.md", ROOT / "library-client" / "README.md", *(ROOT / "docs").glob("*.md")]
    for document in documents:
        text = document.read_text(encoding="utf-8")
        assert set(re.findall(r"`make ([a-z-]+)", text)) <= targets, document
        for link in re.findall(r"\]\(([^)#:]+)(?:#[^)]*)?\)", text):
            assert (document.parent / link).exists(), f"{document.name} links to {link}"


def anchors(page: str) -> set[str]:
    """Return the anchors of a page's headings, as GitHub makes them."""
    headings = re.findall(r"^#+ (.*)", re.sub(r"^```.*?^```", "", page, flags=re.MULTILINE | re.DOTALL), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_every_link_to_a_part_of_a_page_names_a_heading() -> None:
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]
    links = [
        (page, target, anchor)
        for page in pages
        for target, anchor in re.findall(r"\]\(((?:[\w./-]+\.md)?)#([^)]+)\)", page.read_text(encoding="utf-8"))
    ]
    assert len(links) > 30
    for page, target, anchor in links:
        linked = page.parent / target if target else page
        assert anchor in anchors(linked.read_text(encoding="utf-8")), f"{page.name} links to {target}#{anchor}"


PACKAGES = [
    "admin_server",
    "frontend_server",
    "rest_server",
    "library_formats",
    "library_domain",
    "service_kit",
    "library_cli",
    "library-client",
]


@pytest.mark.parametrize("folder", PACKAGES)
def test_each_package_is_in_the_readme(folder: str) -> None:
    assert f"\n{folder}/" in README


def test_the_files_that_the_pages_name_exist() -> None:
    top = "|".join(folder.name for folder in ROOT.iterdir() if folder.is_dir() and not folder.name.startswith("."))
    pages = [*ROOT.glob("*.md"), *ROOT.glob("docs/*.md"), *ROOT.glob("*/README.md")]
    named = [
        (page.name, path)
        for page in pages
        for path in re.findall(rf"`((?:{top})/[\w./*-]+)", page.read_text(encoding="utf-8"))
    ]
    assert len(named) > 50
    # The number of a migration that is yet to be written, and what a build or a run makes.
    made = re.compile(r"000N|^build/")
    assert [each for each in named if not made.search(each[1]) and not any(ROOT.glob(each[1].rstrip(".")))] == []


def test_the_rules_are_in_the_files_that_the_architecture_names() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text(encoding="utf-8")
    rules = re.findall(r"`(\w+)` in `(\w[\w./]*/[\w.]+\.py)`", page)
    assert len(rules) >= 5
    for name, path in rules:
        code = (ROOT / path).read_text(encoding="utf-8")
        assert re.search(rf"^(def |class )?{name}\b", code, re.MULTILINE), (name, path)
