"""library-rest learns contracts of servers that it does not know, which may be slow, broken, or made to break it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest
from google.api import annotations_pb2, http_pb2, visibility_pb2
from google.api.http_pb2 import CustomHttpPattern, HttpRule
from google.protobuf import descriptor_pb2
from google.protobuf.descriptor_pb2 import FieldDescriptorProto, FileDescriptorProto, FileDescriptorSet
from structlog.testing import capture_logs

from rest_server.contracts.contract import compiled
from rest_server.contracts.reflection import ContractUnread, Description, describe
from rest_server.contracts.targets import Target
from rest_server.settings import Learning
from service_kit.channel import open_channel
from tests.support.transcoding.misdescribed import MisdescribedServer

RULE: Any = annotations_pb2.http

LIVES_SECONDS = 10.0


def described(*paths: str, imports: Sequence[str] = ()) -> FileDescriptorProto:
    """A file with a service whose methods are at these paths. `imports` it imports as well."""
    file = FileDescriptorProto(name="p.proto", package="p", syntax="proto3")
    file.dependency.extend(["google/api/annotations.proto", *imports])
    file.message_type.add(name="Message").field.add(name="text", number=1, type=9, label=1)
    service = file.service.add(name="Service")
    for number, path in enumerate(paths):
        method = service.method.add(name=f"Method{number}", input_type=".p.Message", output_type=".p.Message")
        method.options.Extensions[RULE].CopyFrom(HttpRule(get=path))
    return file


@pytest.fixture
def server() -> Iterator[MisdescribedServer]:
    started = MisdescribedServer([described("/v1/a")])
    yield started
    started.stop()


class Followed:
    """A target that is followed while a test's coroutine runs."""

    def __init__(self, address: str) -> None:
        self.target = Target(address, Learning(interval_seconds=0.1, pause_seconds=0.01, retry_seconds=0.05))
        self.changes = 0
        self.fault: Exception | None = None
        """Raised once, when a change is reported."""
        self.logs: list[Any] = []

    def changed(self) -> None:
        fault, self.fault = self.fault, None
        if fault is not None:
            raise fault
        self.changes += 1

    def paths(self) -> list[str]:
        assert self.target.contract is not None
        return [rule.path for rule in self.target.contract.rules]

    def problems(self) -> list[str]:
        return [event["problem"] for event in self.logs if event["event"] == "contract not read"]

    async def until(self, is_so: Callable[[], bool]) -> None:
        async with asyncio.timeout(LIVES_SECONDS):
            while not is_so():
                assert not self.following.done(), self.following
                await asyncio.sleep(0.01)

    async def __aenter__(self) -> Followed:
        self.following = asyncio.create_task(self.target.follow(self.changed))
        return self

    async def __aexit__(self, *_: object) -> None:
        self.following.cancel()
        await asyncio.gather(self.following, return_exceptions=True)
        await self.target.channel.close()


@pytest.fixture
def follow(server: MisdescribedServer) -> Callable[..., None]:
    """Runs a coroutine function with the server, followed."""

    async def run(test: Callable[[Followed], Any]) -> None:
        followed = Followed(server.address)
        with capture_logs() as logs:
            followed.logs = logs
            async with followed:
                await test(followed)

    return lambda test: asyncio.run(run(test))


# --- what a target may describe ---


def circular() -> list[FileDescriptorProto]:
    return [described("/v1/a", imports=["q.proto"]), FileDescriptorProto(name="q.proto", dependency=["p.proto"])]


def importing_itself() -> list[FileDescriptorProto]:
    return [described("/v1/a", imports=["p.proto"])]


def importing_what_is_not_there() -> list[FileDescriptorProto]:
    return [described("/v1/a", imports=["missing.proto"])]


def taking_what_is_not_there() -> list[FileDescriptorProto]:
    file = described("/v1/a")
    file.service[0].method[0].input_type = ".p.Missing"
    return [file]


def with_a_map_of_nothing() -> list[FileDescriptorProto]:
    file = described("/v1/a")
    file.message_type[0].nested_type.add(name="PairsEntry").options.map_entry = True
    file.message_type[0].field.add(name="pairs", number=2, type=11, label=3, type_name=".p.Message.PairsEntry")
    return [file]


def with_an_enum_of_nothing() -> list[FileDescriptorProto]:
    file = described("/v1/a")
    file.enum_type.add(name="Colour")
    file.message_type[0].field.add(name="colour", number=2, type=14, label=1, type_name=".p.Colour")
    return [file]


def with_a_field_of_another_kind() -> list[FileDescriptorProto]:
    """A message where the file with it has an enum of that name."""
    other = FileDescriptorProto(name="q.proto", package="p", syntax="proto3")
    other.enum_type.add(name="Colour").value.add(name="RED")
    file = described("/v1/a", imports=["q.proto"])
    kind = FieldDescriptorProto.TYPE_MESSAGE
    file.message_type[0].field.add(name="colour", number=2, type=kind, label=1, type_name=".p.Colour")
    return [file, other]


@pytest.mark.parametrize(
    ("files", "words"),
    [
        pytest.param(circular(), "import one another: p.proto > q.proto > p.proto", id="a circle of imports"),
        pytest.param(importing_itself(), "import one another: p.proto > p.proto", id="a file that imports itself"),
        pytest.param(importing_what_is_not_there(), "missing.proto", id="an import that is missing"),
        pytest.param(taking_what_is_not_there(), "input/output types for method Method0", id="a type that is missing"),
        pytest.param(with_a_map_of_nothing(), "StopIteration", id="a map without key and value"),
        pytest.param(with_an_enum_of_nothing(), "cannot be used", id="an enum without values"),
        pytest.param(with_a_field_of_another_kind(), "could not find message: .p.Colour", id="files that contradict"),
    ],
)
def test_an_invalid_target_is_logged_once_and_read_again(
    server: MisdescribedServer, follow: Callable[..., None], files: list[FileDescriptorProto], words: str
) -> None:
    server.say(files)

    async def test(followed: Followed) -> None:
        await followed.until(lambda: len(followed.problems()) > 0)
        for _ in range(2):  # it describes the same, which is not reported again
            server.asked.clear()
            await followed.until(server.asked.is_set)
        (problem,) = followed.problems()
        assert words in problem
        # Each attempt would leave classes in memory, which protobuf-py never frees.
        assert followed.target._compiled.cache_info().misses <= 1
        assert followed.target.contract is None
        server.say([described("/v1/b")])
        await followed.until(lambda: followed.changes == 1)
        assert followed.paths() == ["/v1/b"]

    follow(test)


def test_bytes_that_are_not_a_file_are_reported(server: MisdescribedServer, follow: Callable[..., None]) -> None:
    server.say_bytes({"p.proto": b"\xff\xff\xff"}, {"p.Service": "p.proto"})

    async def test(followed: Followed) -> None:
        await followed.until(lambda: len(followed.problems()) > 0)
        assert "DecodeError" in followed.problems()[0]

    follow(test)


def test_a_contract_that_cannot_be_served_leaves_the_one_before(
    server: MisdescribedServer, follow: Callable[..., None]
) -> None:
    async def test(followed: Followed) -> None:
        await followed.until(lambda: followed.changes == 1)
        followed.fault = RecursionError("too deep")
        server.say([described("/v1/b")])
        await followed.until(lambda: len(followed.problems()) > 0)
        assert followed.paths() == ["/v1/a"]
        # It is tried again at the next look.
        await followed.until(lambda: followed.changes == 2)
        assert followed.paths() == ["/v1/b"]
        assert "too deep" in followed.problems()[0]

    follow(test)


def test_a_contract_that_comes_back_is_not_rebuilt(server: MisdescribedServer, follow: Callable[..., None]) -> None:
    """Classes of messages are never freed: a canary that two versions answer for would fill the memory."""

    async def test(followed: Followed) -> None:
        await followed.until(lambda: followed.changes == 1)
        first = followed.target.contract
        server.say([described("/v1/b")])
        await followed.until(lambda: followed.changes == 2)
        assert followed.paths() == ["/v1/b"]
        server.say([described("/v1/a")])
        await followed.until(lambda: followed.changes == 3)
        assert followed.target.contract is first

    follow(test)


# --- how long it may take, and how much it may be ---


def test_all_answers_together_have_a_deadline(server: MisdescribedServer) -> None:
    server.answer_seconds = 0.4
    chain = [FileDescriptorProto(name=f"{number}.proto", dependency=[f"{number + 1}.proto"]) for number in range(20)]
    server.say([described("/v1/a", imports=["0.proto"]), *chain])
    began = time.monotonic()
    with open_channel(server.address) as channel, pytest.raises(ContractUnread, match="DEADLINE_EXCEEDED"):
        describe(channel, Learning(all_answers_seconds=1.0))
    assert time.monotonic() - began < 3


def test_to_follow_no_more_does_not_wait_for_an_answer(server: MisdescribedServer, follow: Callable[..., None]) -> None:
    server.answer_seconds = 9.0

    async def test(followed: Followed) -> None:
        await followed.until(server.asked.is_set)

    began = time.monotonic()
    follow(test)
    assert time.monotonic() - began < 3


@pytest.mark.parametrize("bounded", [Learning(most_files=20), Learning(most_bytes=20_000)], ids=["files", "bytes"])
def test_a_target_may_not_describe_without_end(server: MisdescribedServer, bounded: Learning) -> None:
    files = [FileDescriptorProto(name=f"{number}.proto", package="p" * 1_000) for number in range(25)]
    server.say([described("/v1/a", imports=[file.name for file in files]), *files])
    with open_channel(server.address) as channel:
        describe(channel, Learning())
        with pytest.raises(ContractUnread, match="it describes more than"):
            describe(channel, bounded)


def test_a_file_that_is_sent_several_times_counts_once(server: MisdescribedServer) -> None:
    shared = [FileDescriptorProto(name=f"{number}.proto") for number in range(10)]
    files = []
    for package in ("p", "q", "r"):
        file = FileDescriptorProto(name=f"{package}.proto", package=package)
        file.dependency.extend(one.name for one in shared)
        file.service.add(name="Service")
        files.append(file)
    server.say([*shared, *files])
    server.sends_imports = True
    limits = Learning(most_files=13, most_bytes=sum(one.ByteSize() for one in (*shared, *files)))
    with open_channel(server.address) as channel:
        assert len(FileDescriptorSet.FromString(describe(channel, limits).files).file) == 13


def test_fields_may_come_without_their_names_in_json(server: MisdescribedServer) -> None:
    file = described("/v1/a")
    file.message_type.add(name="Page").field.add(name="page_size", number=1)
    server.say([file])
    with open_channel(server.address) as channel:
        files = FileDescriptorSet.FromString(describe(channel, Learning()).files).file
    (field,) = next(message for message in files[-1].message_type if message.name == "Page").field
    assert field.json_name == "pageSize"


def test_a_file_of_protobuf_itself_may_be_left_out(server: MisdescribedServer) -> None:
    server.left_out = "google/protobuf/timestamp.proto"
    server.say([described("/v1/a", imports=[server.left_out])])
    with open_channel(server.address) as channel:
        files = FileDescriptorSet.FromString(describe(channel, Learning()).files).file
    assert server.left_out in [file.name for file in files]


# --- rules ---


def learned(
    service: FileDescriptorProto,
    rules: FileDescriptorProto | None = None,
    change: Callable[[bytes], bytes] = bytes,
) -> tuple[list[tuple[str, str]], list[str]]:
    """The rules of a service, as verb and path, and why others are left out.

    `rules` is its google/api/http.proto, and `change` is applied to all its files as they are sent.
    """
    modules: list[Any] = [descriptor_pb2, http_pb2, annotations_pb2]
    if visibility_pb2.DESCRIPTOR.name in service.dependency:
        modules.append(visibility_pb2)
    known = [FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb) for module in modules]
    known[1] = rules or known[1]
    files = change(FileDescriptorSet(file=[*known, service]).SerializeToString())
    with capture_logs() as logs:
        contract = compiled("p", Description(("p.Service",), files))
    left_out = [event["problem"] for event in logs if event["event"] == "rule left out"]
    return [(rule.verb, rule.path) for rule in contract.rules], left_out


def of_a_kind(kind: str) -> FileDescriptorProto:
    """A rule of this custom kind, and another."""
    file = described("/v1/a", "/v1/b")
    file.service[0].method[0].options.Extensions[RULE].custom.MergeFrom(CustomHttpPattern(kind=kind, path="/v1/a"))
    return file


@pytest.mark.parametrize(
    ("kind", "verb"),
    [
        pytest.param("HEAD", "HEAD", id="as HTTP has it"),
        pytest.param("head", "HEAD", id="in small letters, which nobody sends"),
        pytest.param("*", "*", id="any"),
        pytest.param("X-MY_VERB.1!", "X-MY_VERB.1!", id="a token"),
    ],
)
def test_a_custom_kind_is_a_method_of_http(kind: str, verb: str) -> None:
    assert learned(of_a_kind(kind)) == ([(verb, "/v1/a"), ("GET", "/v1/b")], [])


@pytest.mark.parametrize("kind", ["", " ", "GET ", "GET\n", "FOO\r\nX: 1", "中", "É", "A/B", "GET,POST", '"GET"', "\0"])
def test_a_kind_that_http_has_not_is_left_out(kind: str) -> None:
    """Otherwise it would be in Allow, and each 405 on its path would fail."""
    assert learned(of_a_kind(kind)) == ([("GET", "/v1/b")], [f"{kind!r} is not an HTTP method"])


@pytest.mark.parametrize("name", ["", "{", "a//b", "a*"])
def test_a_name_that_is_not_a_path_hides_no_other_method(name: str) -> None:
    file = described("/v1/b")
    file.service[0].method.add(name=name, input_type=".p.Message", output_type=".p.Message")
    served, (problem,) = learned(file)
    assert served == [("GET", "/v1/b")]
    assert f"/p.Service/{name}" in problem


# --- visibility ---

VISIBILITY: Any = visibility_pb2


def restricted(file: FileDescriptorProto, *, service: str = "", method: str = "") -> FileDescriptorProto:
    """Restrict the service, its first method, or both."""
    file.dependency.append("google/api/visibility.proto")
    if service:
        file.service[0].options.Extensions[VISIBILITY.api_visibility].restriction = service
    if method:
        file.service[0].method[0].options.Extensions[VISIBILITY.method_visibility].restriction = method
    return file


@pytest.mark.parametrize("label", ["INTERNAL", "PREVIEW", "INTERNAL,PREVIEW"])
def test_a_restricted_method_is_not_served(label: str) -> None:
    assert learned(restricted(described("/v1/a", "/v1/b"), method=label)) == ([("GET", "/v1/b")], [])


def test_a_restricted_method_without_a_rule_is_not_served_under_its_name() -> None:
    file = described("/v1/a", "/v1/b")
    file.service[0].method[0].ClearField("options")
    assert ("POST", "/p.Service/Method0") in learned(file)[0]
    assert learned(restricted(file, method="INTERNAL")) == ([("GET", "/v1/b")], [])


def test_no_method_of_a_restricted_service_is_served() -> None:
    file = described("/v1/a")
    file.service[0].method.add(name="Plain", input_type=".p.Message", output_type=".p.Message")
    assert learned(restricted(file, service="INTERNAL")) == ([], [])


def test_an_empty_restriction_restricts_nothing() -> None:
    file = restricted(described("/v1/a"))
    file.service[0].options.Extensions[VISIBILITY.api_visibility].SetInParent()
    assert learned(file) == ([("GET", "/v1/a")], [])


def test_a_restriction_that_cannot_be_read_is_one() -> None:
    """Of a target that has the option and does not describe it. A file that contradicts its own types is not served."""
    file = restricted(described("/v1/a", "/v1/b"), method="LABEL")
    file.dependency.remove("google/api/visibility.proto")
    assert learned(file, change=lambda files: files.replace(b"\x05LABEL", b"\x7fLABEL")) == ([("GET", "/v1/b")], [])


def test_a_target_may_have_an_older_http_proto() -> None:
    """In the first ones, rules have no response_body."""
    older = FileDescriptorProto.FromString(http_pb2.DESCRIPTOR.serialized_pb)
    (rule,) = (message for message in older.message_type if message.name == "HttpRule")
    del rule.field[[field.name for field in rule.field].index("response_body")]
    assert learned(described("/v1/a"), older) == ([("GET", "/v1/a")], [])
