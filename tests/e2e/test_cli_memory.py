"""The memory of `library import` and `library export` does not grow with the number of rows."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.test_cli import isbn
from tests.support.library_command import environment
from tests.support.processes import Servers

pytestmark = pytest.mark.slow

MEASURED = """
import re, sys
from library_cli.__main__ import main
try:
    main(prog_name="library")
finally:
    with open("/proc/self/status") as status:  # ru_maxrss would be at least that of the process that started this one
        print("peak in kB:", re.search(r"VmHWM:\\s+(\\d+)", status.read())[1], file=sys.stderr)
"""
FEW, MANY = 5_000, 50_000
MOST_GROWTH_KB = 5_000
"""About 110 bytes for each of the 45,000 rows more: less than a set of their ISBNs and titles takes."""


def peak_kb(*arguments: str, admin: str) -> int:
    """Run the command to its end; return the most memory that it had."""
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, *arguments],
        env=environment(admin),
        capture_output=True,
        text=True,
        timeout=500,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2_000:]
    return int(done.stderr.rpartition("peak in kB:")[2])


def test_a_file_of_ten_times_the_rows_takes_no_more_memory(servers: Servers, tmp_path: Path) -> None:
    admin = servers.start("admin", f"sqlite:///{tmp_path}/admin.db").address
    files = {count: tmp_path / f"{count}.csv" for count in (FEW, MANY)}
    for count, file in files.items():
        rows = (f"Book {number},{isbn(number) if number % 2 else ''},{'x' * 300}\n" for number in range(count))
        file.write_text("title,isbn,description\n" + "".join(rows))
    peaks: dict[str, list[int]] = {}
    for count, file in files.items():  # the smaller file first, so that the larger one finds some books there
        for arguments in (
            ("import", str(file), "--dry-run", "--match", "title"),
            ("import", str(file), "--match", "title"),
            ("export", str(tmp_path / f"{count}.jsonl")),
        ):
            peaks.setdefault(" ".join([arguments[0], *arguments[2:]]), []).append(peak_kb(*arguments, admin=admin))
    print(peaks)
    assert (tmp_path / f"{MANY}.jsonl").read_text().count("\n") == MANY
    growth = {name: many - few for name, (few, many) in peaks.items()}
    assert max(growth.values()) < MOST_GROWTH_KB, growth
