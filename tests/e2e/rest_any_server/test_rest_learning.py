"""How library-rest learns what servers offer that it does not know."""

from __future__ import annotations

import socket
import time

import grpc
import pytest

from tests.support.rest import RestServers, serves
from tests.support.transcoding.behaviours import ECHO, SEND
from tests.support.transcoding.contracts import Contract, Rule
from tests.support.transcoding.misdescribed import MisdescribedServer
from tests.support.transcoding.server import TranscodedServer, only_call
from tests.sync.agreement import eventually

NEVER = "3600"
"""An interval that no test lives to see the end of."""


@pytest.mark.parametrize("reflections", [["v1"], ["v1alpha"], ["v1", "v1alpha"]], ids=" and ".join)
def test_it_learns_from_either_version_of_reflection(rest_servers: RestServers, reflections: list[str]) -> None:
    server = TranscodedServer(Contract([ECHO]), reflections=reflections)
    rest = rest_servers.start([server.address])
    assert rest.request("GET", "/v1/echo/a").json()["text"] == "a"
    server.stop()


def test_a_server_without_reflection_is_named(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]), reflections=[])
    rest = rest_servers.prepare([server.address])
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: any(event["event"] == "contract not read" for event in rest.log_events()), "it is in the log")
    (logged,) = (event for event in rest.log_events() if event["event"] == "contract not read")
    assert (logged["level"], logged["target"]) == ("warning", server.address)
    assert "UNIMPLEMENTED" in logged["problem"]
    assert rest.request("GET", "/healthz").status == 503
    server.stop()


def test_a_service_that_is_listed_and_not_described_hides_no_other(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]), listed=["transcoding.test.v1.Ghost"])
    rest = rest_servers.start([server.address])
    assert serves(rest, "/v1/echo/a")
    logged = [event for event in rest.log_events() if event["event"] == "service listed and not described"]
    assert logged[0]["service"] == "transcoding.test.v1.Ghost"
    server.stop()


def test_a_target_that_is_slow_to_describe_itself_does_not_keep_it_from_stopping(rest_servers: RestServers) -> None:
    slow = MisdescribedServer(answer_seconds=9.0)
    rest = rest_servers.prepare([slow.address], GRACE="1")
    rest.launch()
    assert slow.asked.wait(30)
    began = time.monotonic()
    assert rest.stop() == 0
    assert time.monotonic() - began < 8
    slow.stop()


def test_it_starts_before_its_target(rest_servers: RestServers, unused_address: str) -> None:
    rest = rest_servers.prepare([unused_address])
    rest.launch()
    rest.wait_until_listening()
    health, refused = rest.request("GET", "/healthz"), rest.request("GET", "/v1/echo/a")
    assert (health.status, health.json()["status"]) == (503, "NOT_SERVING")
    assert health.json()["targets"] == {unused_address: "NOT_SERVING"}
    assert (refused.status, refused.refusal.code) == (503, grpc.StatusCode.UNAVAILABLE)
    assert (refused.refusal.reason, refused.refusal.domain) == ("TARGET_UNKNOWN", "library-rest")
    assert unused_address in refused.refusal.message
    pid = rest.pid

    server = TranscodedServer(Contract([ECHO]), address=unused_address)
    rest.wait_until_serving()
    assert rest.request("GET", "/healthz").json() == {"status": "SERVING", "targets": {unused_address: "SERVING"}}
    assert rest.request("GET", "/v1/echo/a").json()["text"] == "a"
    assert rest.pid == pid
    server.stop()


def test_one_target_that_is_down_does_not_keep_another_from_serving(
    rest_servers: RestServers, unused_address: str, server: TranscodedServer
) -> None:
    rest = rest_servers.prepare([unused_address, server.address])
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: serves(rest, "/v1/echo/a"), "the target that is up is served")
    health = rest.request("GET", "/healthz")
    assert health.status == 503
    assert health.json()["targets"] == {unused_address: "NOT_SERVING", server.address: "SERVING"}


def test_a_target_that_comes_back_changed_is_read_again(rest_servers: RestServers) -> None:
    before = TranscodedServer(Contract([ECHO, Rule('get: "/v1/shelves/{text}"', method="GetShelf")]))
    rest = rest_servers.start([before.address], CONTRACT_INTERVAL=NEVER)
    assert serves(rest, "/v1/shelves/a")
    before.stop()

    added, moved = Rule('get: "/v1/boxes/{text}"'), Rule('get: "/v2/shelves/{text}"', method="GetShelf")
    after = TranscodedServer(Contract([added, ECHO, moved]), address=before.address)
    eventually(lambda: serves(rest, "/v1/boxes/a"), "the added method is served")
    assert serves(rest, "/v2/shelves/a")
    assert serves(rest, "/v1/echo/a")
    assert rest.request("GET", "/v1/shelves/a").status == 404
    assert "/v2/shelves/{text}" in rest.request("GET", "/openapi.json").json()["paths"]
    after.stop()


def test_an_added_method_is_found_at_the_next_look(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO]))
    rest = rest_servers.start([server.address], CONTRACT_INTERVAL="0.5")
    assert rest.request("GET", "/v1/boxes/a").status == 404
    server.offer(Contract([ECHO, Rule('get: "/v1/boxes/{text}"')]))
    assert eventually(lambda: serves(rest, "/v1/boxes/a"), "the added method is served") < 5
    server.stop()


def wait_for_no_more_looks(server: TranscodedServer) -> None:
    """Wait until the look is over that library-rest takes when it has connected."""
    looks = -1
    while server.looks != looks:
        looks = server.looks
        time.sleep(2.0)


def test_a_removed_method_is_noticed_when_it_is_called(rest_servers: RestServers) -> None:
    server = TranscodedServer(Contract([ECHO, SEND]))
    rest = rest_servers.start([server.address], CONTRACT_INTERVAL=NEVER)
    wait_for_no_more_looks(server)
    server.offer(Contract([Rule('post: "/v2/messages" body: "*"', takes="SendRequest")]))
    gone = rest.request("GET", "/v1/echo/a")
    assert (gone.status, gone.refusal.code) == (501, grpc.StatusCode.UNIMPLEMENTED)
    eventually(lambda: rest.request("GET", "/v1/echo/a").status == 404, "the path is gone, too")
    assert rest.request("POST", "/v2/messages", {}).status == 200
    server.stop()


def test_of_two_targets_with_the_same_path_the_first_named_has_it(
    rest_servers: RestServers, unused_address: str
) -> None:
    second = TranscodedServer(Contract([ECHO, Rule('get: "/v1/second/{text}"')], service="Second"))
    rest = rest_servers.prepare([unused_address, second.address], CONTRACT_INTERVAL="0.5")
    rest.launch()
    rest.wait_until_listening()
    eventually(lambda: serves(rest, "/v1/echo/a"), "the second has the path while the first is down")
    second.take_calls()

    # The order in which the contracts were read must not matter.
    first = TranscodedServer(Contract([ECHO], service="First"), address=unused_address)
    rest.wait_until_serving()
    assert serves(rest, "/v1/echo/a")
    assert only_call(first).method == "/transcoding.test.v1.First/Echo"
    assert serves(rest, "/v1/second/a")
    assert only_call(second).method == "/transcoding.test.v1.Second/Method2"

    logged = [event for event in rest.log_events() if event.get("target") == second.address and "path" in event]
    assert {(event["level"], event["path"], event["method"], event["by"]) for event in logged} == {
        ("warning", "GET /v1/echo/{text}", "transcoding.test.v1.Second/Echo", "transcoding.test.v1.First/Echo")
    }
    first.stop()
    second.stop()


@pytest.fixture
def unused_address() -> str:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return f"127.0.0.1:{taken.getsockname()[1]}"
