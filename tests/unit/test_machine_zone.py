from __future__ import annotations

import os
import subprocess
import sys

import pytest

from library_domain.local_dates import time_zone_or_none

PROGRAM = "from service_kit.machine_zone import machine_zone; print(machine_zone().key)"


def zone_of_a_machine(setting: str) -> str:
    printed = subprocess.run(
        [sys.executable, "-c", PROGRAM], env={**os.environ, "TZ": setting}, capture_output=True, text=True, check=True
    )
    assert printed.stderr == ""
    return printed.stdout.strip()


@pytest.mark.parametrize(
    ("setting", "zone"), [("Europe/Berlin", "Europe/Berlin"), (":America/Santiago", "America/Santiago")]
)
def test_the_variable_tz_names_the_zone_of_the_machine(setting: str, zone: str) -> None:
    assert zone_of_a_machine(setting) == zone


@pytest.mark.parametrize("setting", ["Mars/Olympus", "CET-1CEST"])
def test_a_variable_that_names_no_zone_leaves_the_settings_of_the_machine(setting: str) -> None:
    assert time_zone_or_none(zone_of_a_machine(setting))
