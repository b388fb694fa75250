"""Programs of others, run as people run them at a terminal.

Those that speak gRPC (grpcurl, Evans, `buf curl`), and where those are that generate clients of HTTP.
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import pytest

CALL_SECONDS = 100.0

NOT_TRIED = "NOT TRIED"
"""How the skip of a test without its client begins; the end of the run lists them loudly, see tests/conftest.py."""

GENERATORS = Path(__file__).parents[2] / ".tools" / "generators"
"""Where `make generators` installs what is not one program."""

INSTALLED_BY = {
    "grpcurl": "make clients",
    "evans": "make clients",
    "buf": "make test, which runs pytest with the tools of .venv on the PATH",
    "cc": "the system's package manager: gcc or clang",
    "curl": "the system's package manager",
    "go": "the system's package manager: golang",
    "java": "the system's package manager: default-jdk-headless",
    "javac": "the system's package manager: default-jdk-headless",
    "node": "the system's package manager: nodejs",
    "npx": "the system's package manager: npm",
    "oapi-codegen": "make generators",
    "pgbouncer": "the system's package manager",
    "chromium": "apt-get install chromium-headless-shell, or the like of another system",
}


def require(program: str) -> None:
    """Skip the test where a program is not there; fail it where LIBRARY_REQUIRE_CLIENTS=1 says that it must be."""
    if shutil.which(program):
        return
    _skip(f"{program} is not on the PATH; it is installed by: {INSTALLED_BY[program]}")


def require_generator(name: str) -> Path:
    """Return a file or folder that `make generators` installs; without it, skip or fail the test as `require` does."""
    installed = GENERATORS / name
    if not installed.exists():
        _skip(f"{name} is not installed; it is installed by: make generators")
    return installed


def _skip(reason: str) -> NoReturn:
    if os.environ.get("LIBRARY_REQUIRE_CLIENTS") == "1":
        pytest.fail(f"{NOT_TRIED}: {reason}")
    pytest.skip(f"{NOT_TRIED}: {reason}")


@dataclass
class Answer:
    """What a program did: its exit status, and all that it wrote."""

    status: int
    output: str
    errors: str

    @property
    def reply(self) -> Any:
        """The reply, where the call succeeded."""
        assert self.status == 0, self.errors + self.output
        return json.loads(self.output)

    @property
    def refusal(self) -> str:
        """What it tells of an error, where the call was refused."""
        assert self.status != 0, f"was to be refused, and answered {self.output}"
        return self.errors + self.output


class ThirdPartyClient(Protocol):
    """What the tests do with each of them. A method is `package.Service/Method`, a request JSON by field names."""

    def services(self, address: str) -> list[str]: ...

    def methods(self, address: str, service: str) -> list[str]: ...

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer: ...

    def mask(self, path: str) -> Any:
        """How it takes a google.protobuf.FieldMask: not all know the JSON that protobuf has for it."""


class Grpcurl:
    """It asks reflection v1 first, and v1alpha where that is not there."""

    def services(self, address: str) -> list[str]:
        return run("grpcurl", "-plaintext", address, "list").output.split()

    def methods(self, address: str, service: str) -> list[str]:
        return run("grpcurl", "-plaintext", address, "list", service).output.split()

    def describe(self, address: str, symbol: str) -> str:
        return succeeded(run("grpcurl", "-plaintext", address, "describe", symbol))

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer:
        return run("grpcurl", "-plaintext", "-d", json.dumps(request), address, method)

    def mask(self, path: str) -> Any:
        return {"paths": [path]}


class Evans:
    """It asks reflection v1alpha, and no other."""

    def services(self, address: str) -> list[str]:
        return self._cli(address, "list").output.split()

    def methods(self, address: str, service: str) -> list[str]:
        return self._cli(address, "list", service).output.split()

    def describe(self, address: str, symbol: str) -> str:
        return succeeded(self._cli(address, "desc", symbol))

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer:
        answer = self._cli(address, "call", method.replace("/", "."), stdin=json.dumps(request))
        if answer.status:  # only then, as it surrounds a reply with headers
            answer = self._cli(address, "call", "--enrich", method.replace("/", "."), stdin=json.dumps(request))
        return answer

    def mask(self, path: str) -> Any:
        return {"paths": [path]}

    def _cli(self, address: str, *arguments: str, stdin: str = "") -> Answer:
        host, _, port = address.rpartition(":")
        return run("evans", "--host", host, "--port", port, "--reflection", "cli", *arguments, stdin=stdin)


class BufCurl:
    """It needs to be told that a server speaks plain gRPC and HTTP/2 from the first byte. It describes nothing."""

    def services(self, address: str) -> list[str]:
        return self._curl("--list-services", f"http://{address}").output.split()

    def methods(self, address: str, service: str) -> list[str]:
        names = self._curl("--list-methods", f"http://{address}").output.split()
        return [name.replace("/", ".") for name in names if name.startswith(f"{service}/")]

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer:
        answer = self._curl("--data", json.dumps(request), f"http://{address}/{method}")
        if answer.errors.startswith("{"):
            # It prints the types of the details, and their values as base64, in which the texts are to be read.
            told = json.loads(answer.errors)
            for detail in told["details"]:
                value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
                answer.errors += f"\n{detail['type']}: {value.decode(errors='replace')}"
        return answer

    def mask(self, path: str) -> Any:
        first, *rest = path.split("_")
        return first + "".join(word.title() for word in rest)

    def _curl(self, *arguments: str) -> Answer:
        return run("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments)


CLIENTS: dict[str, ThirdPartyClient] = {"grpcurl": Grpcurl(), "evans": Evans(), "buf": BufCurl()}


def run(program: str, *arguments: str, stdin: str = "") -> Answer:
    """Run a program to its end."""
    require(program)
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, timeout=CALL_SECONDS, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def succeeded(answer: Answer) -> str:
    """What a program wrote, where it succeeded."""
    assert answer.status == 0, answer.errors + answer.output
    return answer.output
