"""The fuzzer finds no crash, no hang and no growth in the readers, and finds a fault that is planted."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.fuzz_readers.targets import TARGETS

ROOT = Path(__file__).parents[2]
FUZZER = ROOT / ".tools/fuzzer"
"""Where `make fuzzer` installs atheris."""

SECONDS = float(os.environ.get("LIBRARY_FUZZ_SECONDS", "50"))
"""Of all targets together."""

ONE_INPUT_SECONDS = 20
MOST_MEGABYTES = 1_000
MOST_BYTES = 4_096

pytestmark = pytest.mark.slow


def _require_fuzzer() -> None:
    if (FUZZER / "atheris").is_dir():
        return
    pytest.skip("atheris is missing: `make fuzzer` installs it, if it has a wheel for this Python")


def _run(name: str, folder: Path, seconds: float, *options: str, **variables: str) -> subprocess.CompletedProcess[str]:
    _require_fuzzer()
    corpus = folder / "corpus"
    corpus.mkdir()
    path = os.pathsep.join([str(FUZZER), str(ROOT), str(ROOT / "generated")])
    limits = [f"-timeout={ONE_INPUT_SECONDS}", f"-rss_limit_mb={MOST_MEGABYTES}", f"-max_len={MOST_BYTES}"]
    limits += [f"-max_total_time={max(1, round(seconds))}", f"-artifact_prefix={folder}/"]
    return subprocess.run(
        [sys.executable, "-m", "tests.fuzz_readers.run", name, str(corpus), *limits, *options],
        env={**os.environ, "PYTHONPATH": path, **variables},
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=seconds + 300,
        check=False,
    )


@pytest.mark.timeout(SECONDS + 600)
@pytest.mark.parametrize("name", TARGETS)
def test_no_input_breaks_a_reader(name: str, tmp_path: Path) -> None:
    done = _run(name, tmp_path, SECONDS / len(TARGETS))

    artifacts = {path.name: path.read_bytes()[:500] for path in tmp_path.iterdir() if path.is_file()}
    assert done.returncode == 0, f"{artifacts}\n{done.stdout[-3_000:]}\n{done.stderr[-3_000:]}"
    print(*done.stderr.splitlines()[-3:], sep="\n")


def test_the_fuzzer_finds_a_planted_fault(tmp_path: Path) -> None:
    done = _run("marc", tmp_path, 200, LIBRARY_PLANTED_FAULT="1")

    assert done.returncode != 0, done.stderr[-3_000:]
    assert "IndexError: planted" in done.stdout + done.stderr
    assert any(path.name.startswith("crash-") and b"\x1b" in path.read_bytes() for path in tmp_path.iterdir())
