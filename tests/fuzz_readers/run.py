"""Run one target under atheris: `python -m tests.fuzz_readers.run marc FOLDER [options of libFuzzer]`.

With `LIBRARY_PLANTED_FAULT`, the conversion of MARC-8 fails for an escape sequence, which the fuzzer has to find.
"""

from __future__ import annotations

import hashlib
import os
import sys
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["library_formats", "pymarc", "service_kit.text"]):
    from library_formats.readers import charsets
    from tests.fuzz_readers.targets import TARGETS, seeds


def _planted(data: bytes) -> tuple[str, int]:
    if b"\x1b" in data:
        raise IndexError("planted")
    return data.decode("latin-1"), 0


def main() -> None:
    """Write the seeds into the folder, and run the target. An input that fails is written next to the folder."""
    name, folder, *options = sys.argv[1:]
    corpus = Path(folder)
    for number, seed in enumerate(seeds(name)):
        (corpus / f"seed-{number}").write_bytes(seed)
    if os.environ.get("LIBRARY_PLANTED_FAULT"):
        setattr(charsets, "decoded_marc8", _planted)  # noqa: B010 - a name that the module has imported

    def kept(data: bytes) -> None:
        # libFuzzer writes it too, unless its own timer ends the process before, as on a busy machine.
        try:
            TARGETS[name](data)
        except Exception:
            (corpus.parent / f"crash-{hashlib.sha1(data, usedforsecurity=False).hexdigest()}").write_bytes(data)
            raise

    atheris.Setup([sys.argv[0], *options, folder], kept)
    atheris.Fuzz()


if __name__ == "__main__":
    main()
