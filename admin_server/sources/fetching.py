"""Fetches from other servers, over HTTP, without trust in what they send and where they lead."""

from __future__ import annotations

import ssl
import time
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime

import httpcore
import httpx

from admin_server.sources.addresses import Resolve, is_public, resolved
from admin_server.sources.bodies import ENCODINGS, Body
from admin_server.sources.connections import CheckedAddresses, Limits
from admin_server.sources.failures import FetchFailed, NotThere, RequestRefused
from service_kit.clock import DAY, SECOND, Clock, system_clock

__all__ = ["FetchFailed", "Fetched", "Fetcher", "NotThere", "RequestRefused", "origin"]

MOST_REDIRECTS = 3
MOST_URL_CHARACTERS = 4_000
MOST_HOST_CHARACTERS = 253
MOST_RETRY_AFTER = DAY
"""A server that asks to be left alone for longer is tried again after a day."""

_HOST_CHARACTERS = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_.:")
_DEFAULT_PORTS = {"http": 80, "https": 443}
_REDIRECTS = (301, 302, 303, 307, 308)
_NOT_THERE = (404, 410)
_REFUSALS = (401, 403)


@dataclass(frozen=True, slots=True)
class Fetched:
    """An answer with the status 200."""

    body: bytes
    content_type: str
    """The media type in lower case, without parameters: `application/json`."""


@dataclass(frozen=True)
class Fetcher:
    """Fetches by GET. Threads may share it."""

    user_agent: str
    """Names this program, and a contact of the library."""
    configured: Collection[tuple[str, int]] = ()
    """The hosts, in lower case, and the ports of the addresses in the settings. Other hosts are asked at the ports 80
    and 443 only."""
    allow_private: bool = False
    """Whether the hosts in `configured`, at those ports, may have addresses that are not public."""
    clock: Clock = system_clock
    resolve: Resolve = resolved
    ssl_context: ssl.SSLContext = field(default_factory=httpx.create_ssl_context)
    """By default it trusts the authorities that Mozilla trusts, or those of the variable SSL_CERT_FILE."""

    def get(
        self,
        url: str,
        *,
        most_bytes: int,
        content_types: Collection[str],
        deadline: float,
        headers: Mapping[str, str] | None = None,
    ) -> Fetched:
        """Fetch what is at an address.

        Up to three redirects are followed, and each is checked as the first address was. None leads from https to http.

        Args:
            url: An address with http or https, without a user name.
            most_bytes: The most bytes of the body, before and after decompression.
            content_types: The media types that are accepted, in lower case.
            deadline: When to give up, in seconds of `time.monotonic`: for all of it, with redirects and all parts.
            headers: Further headers, such as a key. They are not sent to another host that a redirect leads to.

        Raises:
            FetchFailed: It did not work. `NotThere` for 404 and 410, `RequestRefused` for 401 and 403.
        """
        address = _parsed(url, "the address")
        sent = dict(headers or {})
        for _ in range(MOST_REDIRECTS + 1):
            limits = Limits(_shown_host(address), deadline, most_bytes)
            result = self._ask(address, limits, content_types, sent)
            if isinstance(result, Fetched):
                return result
            target = _redirected(address, result)
            if origin(target) != origin(address):
                sent = {}
            address = target
        raise FetchFailed(f"{_shown_host(address)} redirects too often", is_lasting=True)

    def _ask(
        self, url: httpx.URL, limits: Limits, content_types: Collection[str], headers: Mapping[str, str]
    ) -> Fetched | str:
        """Send one request. Return the answer, or where a redirect leads."""
        backend = CheckedAddresses(self._checked_addresses(url, limits), limits)
        request_headers: dict[bytes | str, bytes | str] = {
            "Host": url.netloc.decode("ascii"),
            "User-Agent": self.user_agent,
            "Accept": ", ".join(content_types),
            "Accept-Encoding": ENCODINGS,
            "Connection": "close",
        }
        request_headers.update(headers.items())
        target = httpcore.URL(scheme=url.raw_scheme, host=url.raw_host, port=url.port, target=url.raw_path)
        try:
            with (
                httpcore.ConnectionPool(self.ssl_context, max_connections=1, network_backend=backend) as pool,
                pool.stream("GET", target, headers=request_headers) as response,
            ):
                return self._read(response, limits, content_types)
        except httpcore.TimeoutException:
            raise FetchFailed(f"{limits.host} did not answer in time") from None
        except httpcore.ConnectError as error:
            raise FetchFailed(_connect_problem(limits.host, error)) from None
        except httpcore.NetworkError:
            raise FetchFailed(f"the connection to {limits.host} broke") from None
        except httpcore.RemoteProtocolError:
            raise FetchFailed(f"the answer of {limits.host} was cut off, or is not HTTP") from None
        except (httpcore.LocalProtocolError, httpcore.UnsupportedProtocol, UnicodeEncodeError):
            raise FetchFailed(f"no request can be made for {limits.host}", is_lasting=True) from None

    def _checked_addresses(self, url: httpx.URL, limits: Limits) -> list[str]:
        """Return the addresses of the host, all of which may be asked. Raises `FetchFailed` if one of them may not."""
        host, port = url.host, _port(url)
        is_configured = (host, port) in self.configured
        if not is_configured and port != _DEFAULT_PORTS[url.scheme]:
            raise FetchFailed(f"the port {port} of {limits.host} is not asked", is_lasting=True)
        try:
            addresses = list(self.resolve(url.raw_host.decode("ascii"), port, limits.deadline))
        except TimeoutError:
            raise FetchFailed(f"the address of {limits.host} was not found in time") from None
        except OSError:
            addresses = []
        if not addresses:
            raise FetchFailed(f"the host {limits.host} is not known, or no name server answers")
        if not (is_configured and self.allow_private) and not all(map(is_public, addresses)):
            why = "and --allow-private-sources is not set" if is_configured else "which is not asked"
            raise FetchFailed(f"{limits.host} is at an address that is not public, {why}", is_lasting=True)
        return addresses[:8]

    def _read(self, response: httpcore.Response, limits: Limits, content_types: Collection[str]) -> Fetched | str:
        headers = {name.lower(): value.decode("latin-1") for name, value in response.headers}
        if response.status in _REDIRECTS:
            return headers.get(b"location", "")
        if response.status != 200:
            raise self._status_failure(limits.host, response.status, headers.get(b"retry-after", ""))
        content_type = headers.get(b"content-type", "").partition(";")[0].strip().lower()
        if content_type not in content_types:
            raise FetchFailed(
                f"{limits.host} answered with another type of content than was asked for", is_lasting=True
            )
        body = Body(limits.host, headers.get(b"content-encoding", ""), limits.most_bytes)
        for part in response.iter_stream():
            body.add(part)
        return Fetched(body.end(), content_type)

    def _status_failure(self, host: str, status: int, retry_after: str) -> FetchFailed:
        problem = f"{host} answered with the status {status}"
        if status in _NOT_THERE:
            return NotThere(problem)
        if status in _REFUSALS:
            return RequestRefused(problem)
        is_lasting = status != 429 and not 500 <= status <= 599
        return FetchFailed(problem, retry_time=self._retry_time(retry_after), is_lasting=is_lasting)

    def _retry_time(self, retry_after: str) -> int | None:
        """Return when to try again, by the header Retry-After (RFC 9110, 10.2.3): seconds, or a date of HTTP."""
        now, text = self.clock(), retry_after.strip()
        if text.isascii() and text.isdigit():
            wait = min(int(text[:10]) * SECOND, MOST_RETRY_AFTER)
            return now + wait
        try:
            date = parsedate_to_datetime(text[:100])
            time_asked = int(date.replace(tzinfo=date.tzinfo or UTC).timestamp()) * SECOND
        except (ValueError, OverflowError, TypeError):
            return None
        return min(max(time_asked, now), now + MOST_RETRY_AFTER)


def origin(url: httpx.URL) -> tuple[str, str, int]:
    """Return the scheme, host and port of an address."""
    return url.scheme, url.host, _port(url)


def _port(url: httpx.URL) -> int:
    return _DEFAULT_PORTS[url.scheme] if url.port is None else url.port


def _shown_host(url: httpx.URL) -> str:
    host = url.raw_host.decode("ascii")
    return host if _port(url) == _DEFAULT_PORTS[url.scheme] else f"{host}:{url.port}"


def _parsed(text: str, what: str, base: httpx.URL | None = None) -> httpx.URL:
    """Parse an address. Raises `FetchFailed` for one that is not asked."""
    if len(text) > MOST_URL_CHARACTERS:
        raise FetchFailed(f"{what} is too long", is_lasting=True)
    try:
        url = httpx.URL(text) if base is None else base.join(text)
    except (httpx.InvalidURL, ValueError, TypeError):
        raise FetchFailed(f"{what} is not valid", is_lasting=True) from None
    if url.scheme not in _DEFAULT_PORTS or not url.raw_host:
        raise FetchFailed(f"{what} is not one of http or https", is_lasting=True)
    if len(url.raw_host) > MOST_HOST_CHARACTERS or not _HOST_CHARACTERS.issuperset(url.raw_host):
        raise FetchFailed(f"{what} has no valid host", is_lasting=True)
    if url.userinfo:
        raise FetchFailed(f"{what} has a user name in it", is_lasting=True)
    return url


def _redirected(url: httpx.URL, location: str) -> httpx.URL:
    host = _shown_host(url)
    if not location:
        raise FetchFailed(f"{host} redirects to nowhere", is_lasting=True)
    target = _parsed(location, f"the address that {host} redirects to", base=url)
    if url.scheme == "https" and target.scheme == "http":
        raise FetchFailed(f"{host} redirects from https to http, which is not followed", is_lasting=True)
    return target


def _connect_problem(host: str, error: httpcore.ConnectError) -> str:
    cause = error.__cause__ or error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        return f"the certificate of {host} cannot be verified ({cause.verify_message.rstrip('.')})"
    return f"{host} does not accept connections"


def seconds_from_now(seconds: float) -> float:
    """Return a deadline for `Fetcher.get`."""
    return time.monotonic() + seconds
