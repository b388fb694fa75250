"""The register of open calls: what it counts, and whom it ends to make room."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from service_kit.calls import register as bounds
from service_kit.calls.call import ARRIVING, LEAVING, READING, WAITING, Call, Stage
from service_kit.calls.register import CALL_BYTES, CONNECTION_BYTES, SERVER_BYTES, SMALL_BYTES, Lane, Register
from service_kit.errors import CallIdle, ServerBusy, ServiceError


def new_call(peer: str = "a") -> Call:
    details = SimpleNamespace(deadline=float("inf"))
    core: Any = SimpleNamespace(peer=peer.encode)
    call = Call(SimpleNamespace(call=core, call_details=details), SimpleNamespace(), "Service/Method")
    call.is_read = True
    return call


class Ended(list[tuple[Call, Stage, ServiceError]]):
    """The calls that were ended."""

    def add(self, call: Call, stage: Stage, error: ServiceError) -> None:
        self.append((call, stage, error))

    def calls(self) -> list[Call]:
        return [call for call, _, _ in self]


@pytest.fixture
def ended() -> Ended:
    return Ended()


@pytest.fixture
def register(ended: Ended) -> Register:
    return Register(ended.add)


def admit(register: Register, lane: Lane, size: int = 0, peer: str = "a") -> tuple[Call, ServiceError | None, bool]:
    call = new_call(peer)
    register.arrive(call)
    return (call, *register.admit(call, lane, size))


def test_a_lane_runs_some_lets_some_wait_and_refuses_the_rest(register: Register) -> None:
    lane = Lane("calls", places=3, most_running=2)
    outcomes = [admit(register, lane) for _ in range(5)]
    calls = [call for call, _, _ in outcomes]
    assert [runs for _, _, runs in outcomes] == [True, True, False, False, False]
    assert [type(refusal) for _, refusal, _ in outcomes] == [type(None)] * 3 + [ServerBusy] * 2
    assert register.finish(calls[0], lane) is calls[2]
    assert register.finish(calls[2], lane) is None
    for call in calls:
        if call is calls[1]:
            register.finish(call, lane)
        register.forget(call)
    assert register.is_empty()


def test_a_call_that_was_cancelled_keeps_its_place_until_its_handler_has_returned(register: Register) -> None:
    lane = Lane("calls", places=1, most_running=1)
    call, _, _ = admit(register, lane)
    register.forget(call)
    assert isinstance(admit(register, lane)[1], ServerBusy)
    register.finish(call, lane)
    assert admit(register, lane)[1] is None


@pytest.mark.parametrize("size", [0, CONNECTION_BYTES])
def test_a_call_that_was_cancelled_while_it_waited_makes_room_at_once(register: Register, size: int) -> None:
    lane = Lane("calls", places=2, most_running=1)
    running, waiting = admit(register, lane)[0], admit(register, lane, size)[0]
    register.forget(waiting)
    third, refusal, _ = admit(register, lane, size)
    assert refusal is None
    assert register.finish(running, lane) is third
    register.forget(running)
    register.finish(third, lane)
    register.forget(third)
    assert register.is_empty()


def test_requests_that_wait_drop_no_answers(register: Register, ended: Ended) -> None:
    lane = Lane("calls", places=100, most_running=1)
    answered, _, _ = admit(register, lane, peer="honest")
    register.answer(answered, SMALL_BYTES)
    register.finish(answered, lane)
    refusals = [admit(register, lane, CONNECTION_BYTES // 4, peer)[1] for peer in "abcdef" for _ in range(4)]
    assert refusals.count(None) == SERVER_BYTES // (CONNECTION_BYTES // 4)
    assert ended == []


def test_answers_to_changes_are_dropped_last(register: Register, ended: Ended) -> None:
    lane = Lane("calls", places=100, most_running=100)
    calls = [admit(register, lane, peer=str(number))[0] for number in range(7)]
    for call in calls:
        call.is_read = call is not calls[0]
        register.answer(call, CONNECTION_BYTES - CALL_BYTES)
        register.finish(call, lane)
    assert ended.calls() == calls[1:4]


def test_a_connection_with_many_calls_without_their_message_loses_its_own(register: Register, ended: Ended) -> None:
    honest = new_call("honest")
    register.arrive(honest)
    for _ in range(bounds.MOST_ARRIVING + 10):
        register.arrive(new_call("other"))
    assert honest not in ended.calls()
    assert len(ended) == 11


def test_one_connection_cannot_have_all_places(register: Register) -> None:
    lane = Lane("calls", places=4, most_running=4, connection_places=2)
    assert [admit(register, lane, peer="a")[1] is None for _ in range(3)] == [True, True, False]
    assert [admit(register, lane, peer="b")[1] is None for _ in range(3)] == [True, True, False]


def test_the_oldest_call_without_its_message_goes_first(register: Register, ended: Ended) -> None:
    calls = [new_call() for _ in range(bounds.MOST_ARRIVING + 2)]
    for call in calls:
        register.arrive(call)
    assert ended.calls() == calls[:2]
    assert {stage for _, stage, _ in ended} == {ARRIVING}
    assert register.admit(calls[0], Lane("calls", 1, 1), 0) == (None, False), "it has ended"


def test_answers_are_bounded_for_a_connection_except_small_ones(register: Register) -> None:
    lane = Lane("calls", places=100, most_running=100)
    large = CONNECTION_BYTES // 4
    for _ in range(4):
        call, _, _ = admit(register, lane)
        assert register.answer(call, large - CALL_BYTES) is None
        register.finish(call, lane)
    call, _, _ = admit(register, lane)
    assert isinstance(register.answer(call, large), ServerBusy)
    assert register.answer(call, SMALL_BYTES) is None
    call.is_read = False
    assert register.answer(call, large) is None, "what it was to change has been changed"
    other, _, _ = admit(register, lane, peer="b")
    assert register.answer(other, large) is None


def test_requests_are_bounded_for_a_connection_and_the_server(register: Register) -> None:
    lane = Lane("calls", places=1_000, most_running=1)
    large = CONNECTION_BYTES // 4
    for peer in "abcd":
        assert [admit(register, lane, large, peer)[1] is None for _ in range(5)] == [True] * 4 + [False]
    assert isinstance(admit(register, lane, large, "e")[1], ServerBusy)
    assert admit(register, lane, SMALL_BYTES, "e")[1] is None


def test_the_oldest_answer_of_the_connection_with_the_most_is_dropped(register: Register, ended: Ended) -> None:
    lane = Lane("calls", places=100, most_running=100)
    size = CONNECTION_BYTES // 4 - CALL_BYTES
    calls = []
    for peer in ["legit", *"aaaabbbbccccdddd"]:
        call, _, _ = admit(register, lane, peer=peer)
        assert register.answer(call, size) is None
        register.finish(call, lane)
        calls.append(call)
    assert sum(call.size for call in calls) <= SERVER_BYTES
    assert ended.calls() == [calls[1]]
    assert ended[0][1] is LEAVING
    for call in calls:
        register.forget(call)
    assert register.is_empty()


def test_a_stream_that_waits_for_its_client_gives_its_place_to_another(register: Register, ended: Ended) -> None:
    lane = Lane("streams", places=2, most_running=2)
    first, second = admit(register, lane)[0], admit(register, lane)[0]
    for call in (second, first):
        call.waits(READING)
        call.since -= 2 * bounds.YIELDS_AFTER_SECONDS
    assert admit(register, lane)[1:] == (None, False), "it waits until the other has ended"
    assert ended.calls() == [second], "which has waited longest"
    admit(register, lane)
    assert ended.calls() == [second, first]
    assert isinstance(admit(register, lane)[1], ServerBusy), "nobody is ended twice"


def test_what_does_not_move_is_swept(register: Register, ended: Ended) -> None:
    lane = Lane("streams", places=9, most_running=3)
    arriving = new_call()
    register.arrive(arriving)
    reading, leaving, running, _ = (admit(register, lane)[0] for _ in range(4))
    reading.waits(READING)
    register.finish(leaving, lane)
    late, _, _ = admit(register, lane)
    register.sweep([lane])
    assert not ended
    for call in (arriving, reading, leaving, running):
        call.since -= 2 * bounds.CLIENT_SECONDS
    late.give_up_at -= 1_000
    register.sweep([lane])
    errors = {call: (stage, type(error)) for call, stage, error in ended}
    assert errors == {
        arriving: (ARRIVING, CallIdle),
        reading: (READING, CallIdle),
        leaving: (LEAVING, CallIdle),
        late: (WAITING, ServerBusy),
    }
    reading.goes_on()
    reading.came -= 2 * bounds.STREAM_SECONDS
    reading.waits(READING)
    ended.clear()
    register.sweep([lane])
    assert ended.calls() == [reading], "however steadily it moves"
