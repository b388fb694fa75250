"""Find the rule that a request's verb and path call for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rest_server.contracts.http_rules import WHOLE
from rest_server.contracts.path_templates import ONE, REST, Template, decoded
from rest_server.errors import ColonEncoded, MethodNotAllowed, PathUnknown, SegmentEmpty


class Routed(Protocol):
    """What can be found: it has a verb and a path template."""

    @property
    def verb(self) -> str:
        """`GET`, `POST` …; `*` for any."""

    @property
    def template(self) -> Template:
        """Which paths."""


_COLON = re.compile(r"%(?:25)*3[Aa](?=[^:%]*$)")

_EMPTY = re.compile(r"/(?=/|:[^/:]+$|$)")
"""A slash that nothing follows before the next one, before a path's verb, or at all."""

_READING = ("GET", "HEAD")

Route = TypeVar("Route", bound=Routed)


@dataclass
class _Node(Generic[Route]):
    """A place in the tree of paths, one segment below its parent."""

    literals: dict[str, _Node[Route]] = field(default_factory=dict)
    one: _Node[Route] | None = None
    ends: dict[str, dict[str, Route]] = field(default_factory=dict)
    """Where a path ends here: by the path's verb (`borrow`), by the HTTP verb."""
    rest: dict[str, dict[str, Route]] = field(default_factory=dict)
    """The same for paths whose `**` begins here."""


class Routes(Generic[Route]):
    """All rules, as a tree of path segments, so that the time to find one does not grow with their number.

    A literal goes before a variable, a path's verb before none, and of two rules for the same the first one stands.
    """

    def __init__(self) -> None:
        self._root: _Node[Route] = _Node()

    def add(self, route: Route) -> Route:
        """Add a rule, unless its paths are another's already; gives the one that stands."""
        node, segments = self._root, route.template.segments
        has_rest = bool(segments) and segments[-1] == REST
        for segment in segments[:-1] if has_rest else segments:
            if segment == ONE:
                node.one = node.one or _Node()
                node = node.one
            else:
                node = node.literals.setdefault(segment, _Node())
        by_verb = (node.rest if has_rest else node.ends).setdefault(route.template.verb, {})
        return by_verb.setdefault(route.verb, route)

    def find(self, verb: str, path: str) -> tuple[Route, Sequence[str]]:
        """Find the rule for a path as it came, percent-encoded; gives the path's segments, too, less its verb.

        Raises PathUnknown, ColonEncoded, SegmentEmpty, MethodNotAllowed, and UnicodeDecodeError for a path that is not
        UTF-8.
        """
        found, allowed = self._look(verb, path)
        if found is not None:
            return found
        meant = _with_colon(path)
        # HEAD is what GET is, so a path that GET takes is right.
        if meant is not None and not (verb == "HEAD" and "GET" in allowed):
            found, others = self._look(verb, meant)
            verbs = [verb] if found else sorted(others.keys() - allowed.keys())
            if verbs:
                raise ColonEncoded(verb=verbs[0], meant=meant)
        filled = _EMPTY.sub("/x", path)
        if filled != path and self._look(verb, filled)[0] is not None:
            raise SegmentEmpty
        if allowed:
            raise MethodNotAllowed(allowed=", ".join(sorted(allowed)))
        raise PathUnknown

    def verbs(self, path: str) -> Sequence[str]:
        """Return the HTTP verbs that a path is there for.

        Raises PathUnknown, UnicodeDecodeError, and what a POST is refused with where it would be there with a colon
        or an id.
        """
        meant = _with_colon(path)
        if meant is not None and (verbs := [verb for verb in self._look("", meant)[1] if verb not in _READING]):
            raise ColonEncoded(verb=verbs[0], meant=meant)
        _, allowed = self._look("", path)
        filled = _EMPTY.sub("/x", path)
        if filled != path and any(verb not in _READING for verb in self._look("", filled)[1].keys() - allowed.keys()):
            raise SegmentEmpty
        if not allowed:
            raise PathUnknown
        return sorted(allowed)

    def _look(self, verb: str, path: str) -> tuple[tuple[Route, Sequence[str]] | None, dict[str, None]]:
        """Find the rule, or the verbs that the path has rules for."""
        allowed: dict[str, None] = {}
        for segments, path_verb in _readings(path):
            for by_verb in _matches(self._root, [decoded(segment) for segment in segments], path_verb):
                route = by_verb.get(verb) or by_verb.get(WHOLE)
                if route is not None:
                    return (route, segments), {}
                allowed.update(dict.fromkeys(by_verb))
        return None, allowed


def _with_colon(path: str) -> str | None:
    """The path with a colon in place of the last `%3A`; None where its last segment has none."""
    before, _, segment = path.rpartition("/")
    decoded_once = _COLON.sub(":", segment)
    return None if decoded_once == segment else f"{before}/{decoded_once}"


def _readings(path: str) -> Iterator[tuple[Sequence[str], str]]:
    """Read what follows the last colon as the path's verb, and then as a part of its last segment."""
    *segments, last = path[1:].split("/")
    name, colon, verb = last.rpartition(":")
    if colon and verb:
        yield [*segments, name], decoded(verb)
    yield [*segments, last], ""


def _matches(root: _Node[Route], segments: Sequence[str], path_verb: str) -> Iterator[dict[str, Route]]:
    """Walk the tree, literals first; a dead end is gone back from. However deep the tree is, the stack is not."""
    ahead = [(root, 0, False)]
    while ahead:
        node, depth, is_rest = ahead.pop()
        if is_rest:
            yield node.rest[path_verb]
            continue
        if path_verb in node.rest:
            ahead.append((node, depth, True))
        if depth == len(segments):
            if path_verb in node.ends:
                yield node.ends[path_verb]
            continue
        if node.one is not None and segments[depth]:
            ahead.append((node.one, depth + 1, False))
        if (literal := node.literals.get(segments[depth])) is not None:
            ahead.append((literal, depth + 1, False))
