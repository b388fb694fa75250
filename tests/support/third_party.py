"""Programs of others, run as people run them at a terminal.

Those that speak gRPC (grpcurl, Evans, `buf curl`, grpcui), and where those are that generate clients of HTTP.
"""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn, Protocol

import httpx2
import pytest

CALL_SECONDS = 100.0

REFLECTION = ["grpc.reflection.v1.ServerReflection", "grpc.reflection.v1alpha.ServerReflection"]

NOT_TRIED = "NOT TRIED"
"""How the skip of a test without its client begins; the end of the run lists them loudly, see tests/conftest.py."""

GENERATORS = Path(__file__).parents[2] / ".tools" / "generators"
"""Where `make generators` installs what is not one program."""

INSTALLED_BY = {
    "grpcurl": "make clients",
    "evans": "make clients",
    "grpcui": "make clients",
    "buf": "make test, which runs pytest with the tools of .venv on the PATH",
    "go": "a release of Go, 1.26 or newer",
    "node": "the system's package manager: Node.js 20 or newer",
    "npm": "the system's package manager",
    "javac": "the system's package manager: a JDK, 17 or newer",
    "mvn": "the system's package manager: maven",
    "cc": "the system's package manager: gcc or clang",
    "curl": "the system's package manager",
    "java": "the system's package manager: default-jdk-headless",
    "npx": "the system's package manager: npm",
    "oapi-codegen": "make generators",
    "pgbouncer": "the system's package manager",
    "chromium": "apt-get install chromium-headless-shell, or the like of another system",
}


def require(program: str) -> None:
    """Skip the test where a program is not there; fail it where LIBRARY_REQUIRE_CLIENTS=1 requires it."""
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
        """What it prints of an error, where the call was refused."""
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
    """It needs the option that a server speaks plain gRPC and HTTP/2 from the first byte. It describes nothing."""

    def services(self, address: str) -> list[str]:
        return self._curl("--list-services", f"http://{address}").output.split()

    def methods(self, address: str, service: str) -> list[str]:
        names = self._curl("--list-methods", f"http://{address}").output.split()
        return [name.replace("/", ".") for name in names if name.startswith(f"{service}/")]

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer:
        answer = self._curl("--data", json.dumps(request), f"http://{address}/{method}")
        if answer.errors.startswith("{"):
            # It prints the types of the details, and their values as base64, in which the texts are to be read.
            error = json.loads(answer.errors)
            for detail in error["details"]:
                value = base64.b64decode(detail["value"] + "=" * (-len(detail["value"]) % 4))
                answer.errors += f"\n{detail['type']}: {value.decode(errors='replace')}"
        return answer

    def mask(self, path: str) -> Any:
        return camel_case(path)

    def _curl(self, *arguments: str) -> Answer:
        return run("buf", "curl", "--protocol", "grpc", "--http2-prior-knowledge", *arguments)


class Grpcui:
    """A page in a browser. It is called here as its page calls it; it shows what comes back as it comes."""

    def services(self, address: str) -> list[str]:
        with self._page(address) as page:
            shown = re.findall(r'<option value="([\w.]+)">', page.get("/").text)
        return sorted([*shown, *REFLECTION])  # it never shows these

    def methods(self, address: str, service: str) -> list[str]:
        with self._page(address) as page:
            found = re.search(rf'"{re.escape(service)}": \[(.*?)\]', page.get("/").text, re.DOTALL)
        assert found
        return [f"{service}.{method}" for method in re.findall(r'"(\w+)"', found[1])]

    def call(self, address: str, method: str, request: dict[str, Any]) -> Answer:
        with self._page(address) as page:
            page.get("/")
            token = page.cookies["_grpcui_csrf_token"]
            asked = {"metadata": [], "data": [request]}
            path = f"/invoke/{method.replace('/', '.')}"
            result = page.post(path, json=asked, headers={"x-grpcui-csrf-token": token}).raise_for_status().json()
        if result["error"] is None:
            (reply,) = result["responses"]
            return Answer(0, json.dumps(_in_camel_case(reply["message"])), "")
        return Answer(1, "", json.dumps(result["error"]))

    def mask(self, path: str) -> Any:
        return {"paths": [path]}

    @contextmanager
    def _page(self, address: str) -> Iterator[httpx2.Client]:
        require("grpcui")
        options = ["-plaintext", "-open-browser=false", "-bind=127.0.0.1", "-port=0", "-emit-defaults=false"]
        with subprocess.Popen(["grpcui", *options, address], stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout
                found = re.search(r"http://\S+", process.stdout.readline())
                assert found
                with httpx2.Client(base_url=found[0], timeout=CALL_SECONDS, trust_env=False) as client:
                    yield client
            finally:
                process.terminate()


CLIENTS: dict[str, ThirdPartyClient] = {
    "grpcurl": Grpcurl(),
    "evans": Evans(),
    "buf": BufCurl(),
    "grpcui": Grpcui(),
}


def camel_case(name: str) -> str:
    """The name of a field as JSON usually has it."""
    first, *rest = name.split("_")
    return first + "".join(word.title() for word in rest)


def run(program: str, *arguments: str, stdin: str = "") -> Answer:
    """Run a program to its end."""
    require(program)
    done = subprocess.run(
        [program, *arguments], input=stdin, capture_output=True, text=True, timeout=CALL_SECONDS, check=False
    )
    return Answer(done.returncode, done.stdout, done.stderr)


def _in_camel_case(message: Any) -> Any:
    if isinstance(message, list):
        return [_in_camel_case(item) for item in message]
    if isinstance(message, dict):
        return {camel_case(name): _in_camel_case(value) for name, value in message.items()}
    return message


def succeeded(answer: Answer) -> str:
    """What a program wrote, where it succeeded."""
    assert answer.status == 0, answer.errors + answer.output
    return answer.output
