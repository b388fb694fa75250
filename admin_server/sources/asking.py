"""Asks the sources: at their pace, again after faults that pass, and not for what was answered lately."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode, urlsplit

from admin_server.sources.answers import Answers
from admin_server.sources.failures import FetchFailed, NotThere, RequestRefused
from admin_server.sources.fetching import Fetched, Fetcher
from admin_server.sources.pace import Pace, Paced
from service_kit.calls.current import check_wanted, wait_on
from service_kit.clock import SECOND, Clock
from service_kit.logs import logger

log = logger(__name__)

MOST_TRIES = 3
FIRST_DELAY = 0.5
"""Seconds before the second try; twice as many before the third; each with up to half of it more or less."""

MOST_JSON_BYTES = 2_000_000
JSON_TYPES = ("application/json", "text/json")


@dataclass
class Outside:
    """What all requests to servers outside share."""

    fetcher: Fetcher
    pace: Pace
    answers: Answers
    clock: Clock
    chance: random.Random = field(default_factory=random.Random)
    sleep: Callable[[float], object] = time.sleep

    def fetch(
        self,
        paced: Paced,
        url: str,
        *,
        most_bytes: int,
        content_types: Collection[str],
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Fetch what is at an address, in the turn of its server, up to three times.

        Args: as those of `Fetcher.get`, with the server that the address is of.

        Raises:
            FetchFailed: It did not work. After faults that pass, the server is then left alone for a while.
        """
        tries = 0
        while True:
            tries += 1
            self._wait_for_turn(paced, deadline)
            try:
                fetched = self.fetcher.get(
                    url, most_bytes=most_bytes, content_types=content_types, deadline=deadline, headers=headers
                )
            except FetchFailed as failure:
                wait_on()
                self._after(paced, failure, tries, deadline)
            else:
                wait_on()
                self.pace.succeeded(paced)
                return fetched

    def _wait_for_turn(self, paced: Paced, deadline: float) -> None:
        now = self.clock()
        turn = self.pace.take_turn(paced, now + int((deadline - time.monotonic()) * SECOND))
        delay = (turn - self.clock()) / SECOND
        if delay > 0:
            self.sleep(delay)
            wait_on()
        check_wanted()

    def _after(self, paced: Paced, failure: FetchFailed, tries: int, deadline: float) -> None:
        """Return when the request is to be sent again; otherwise raise the failure."""
        if isinstance(failure, NotThere):
            self.pace.succeeded(paced)
            raise failure
        if failure.is_lasting and not isinstance(failure, RequestRefused):
            raise failure
        delay = FIRST_DELAY * 2 ** (tries - 1) * self.chance.uniform(0.5, 1.5)
        if failure.retry_time is not None:
            delay = max(delay, (failure.retry_time - self.clock()) / SECOND)
        if failure.is_lasting or tries == MOST_TRIES or time.monotonic() + delay >= deadline:
            until = self.pace.failed(paced, failure)
            log.warning("source failed", source=paced.name, problem=failure.problem, tries=tries)
            raise failure if failure.is_lasting else FetchFailed(failure.problem, retry_time=until)
        if failure.retry_time is not None:
            self.pace.postpone(paced, failure.retry_time)
        self.sleep(delay)
        wait_on()
        check_wanted()


@dataclass(frozen=True)
class Asker:
    """Asks one source, until one deadline."""

    outside: Outside
    paced: Paced
    address: str
    """Of the source, without a slash at its end."""
    deadline: float
    """In seconds of `time.monotonic`."""
    headers: Mapping[str, str] = field(default_factory=dict)

    def json(self, path: str, **query: str) -> Any:
        """Return what the source has at a path, as JSON; None if it has nothing there.

        Raises:
            FetchFailed: It did not answer, or not with JSON.
        """
        url = f"{self.address}{path}" + (f"?{urlencode(query)}" if query else "")
        kept = self.outside.answers.find(self.paced.name, url)
        if kept is None:
            kept = self._fetched(url)
        if not kept:
            return None
        return _parsed(kept, urlsplit(self.address).hostname or "")

    def _fetched(self, url: str) -> bytes:
        try:
            body = self.outside.fetch(
                self.paced,
                url,
                most_bytes=MOST_JSON_BYTES,
                content_types=JSON_TYPES,
                deadline=self.deadline,
                headers=self.headers,
            ).body
            _parsed(body, urlsplit(self.address).hostname or "")  # what is not JSON is not kept
        except NotThere:
            body = b""
        self.outside.answers.keep(self.paced.name, url, body)
        return body


def _parsed(body: bytes, host: str) -> Any:
    try:
        return json.loads(body.decode("utf-8"))
    except (ValueError, RecursionError):  # bad UTF-8, bad JSON, numbers with thousands of digits, deep nesting
        raise FetchFailed(f"the answer of {host} is not JSON", is_lasting=True) from None
