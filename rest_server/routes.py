"""Find the rule for a verb and a path."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from rest_server.contracts.http_rules import WHOLE
from rest_server.contracts.path_templates import DOUBLE_STAR, STAR, Template, decoded
from rest_server.errors import ColonEncoded, MethodNotAllowed, PathUnknown, SegmentEmpty


class Routed(Protocol):
    """A rule that can be found: it has a verb and a path template."""

    @property
    def verb(self) -> str:
        """`GET`, `POST` …; `*` for any."""

    @property
    def template(self) -> Template: ...


_COLON = re.compile(r"%(?:25)*3[Aa](?=[^:%]*$)")

_EMPTY = re.compile(r"/(?=/|:[^/:]+$|$)")
"""A slash with nothing between it and the next one, the path's verb, or the end."""

_READING = ("GET", "HEAD")

Route = TypeVar("Route", bound=Routed)


@dataclass
class _Node(Generic[Route]):
    """A place in the tree of paths, one segment below its parent."""

    literals: dict[str, _Node[Route]] = field(default_factory=dict)
    star: _Node[Route] | None = None
    ends: dict[str, dict[str, Route]] = field(default_factory=dict)
    """Rules whose path ends here, by the path's verb (`borrow`) and by the HTTP verb."""
    double_stars: dict[str, dict[str, Route]] = field(default_factory=dict)
    """Rules whose `**` begins here, by the same."""


class Routes(Generic[Route]):
    """All rules, as a tree of path segments, so that the time to find one does not grow with their number.

    A literal takes precedence over a variable, a path with a verb over one without. Of two rules for the same path and
    verb, the first one is kept.
    """

    def __init__(self) -> None:
        self._root: _Node[Route] = _Node()

    def add(self, route: Route) -> Route:
        """Add a rule, unless an earlier one is for the same paths and verb; return the one that is kept."""
        node, segments = self._root, route.template.segments
        has_double_star = bool(segments) and segments[-1] == DOUBLE_STAR
        for segment in segments[:-1] if has_double_star else segments:
            if segment == STAR:
                node.star = node.star or _Node()
                node = node.star
            else:
                node = node.literals.setdefault(segment, _Node())
        by_verb = (node.double_stars if has_double_star else node.ends).setdefault(route.template.verb, {})
        return by_verb.setdefault(route.verb, route)

    def find(self, verb: str, path: str) -> tuple[Route, Sequence[str]]:
        """Return the rule for a percent-encoded path, and the path's segments without its verb.

        Raises PathUnknown, ColonEncoded, SegmentEmpty, MethodNotAllowed, and UnicodeDecodeError for a path that is not
        UTF-8.
        """
        found, allowed = self._look(verb, path)
        if found is not None:
            return found
        meant = _with_colon(path)
        # HEAD is answered like GET, so the path is right if GET has it.
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
        """Return the HTTP verbs of a path.

        Raises PathUnknown and UnicodeDecodeError, and ColonEncoded or SegmentEmpty where a POST would.
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
        """Return the rule with the path's segments, or None and the verbs that the path has."""
        allowed: dict[str, None] = {}
        for segments, path_verb in _readings(path):
            for by_verb in _matches(self._root, [decoded(segment) for segment in segments], path_verb):
                route = by_verb.get(verb) or by_verb.get(WHOLE)
                if route is not None:
                    return (route, segments), {}
                allowed.update(dict.fromkeys(by_verb))
        return None, allowed


def _with_colon(path: str) -> str | None:
    """Return the path with a colon in place of the last `%3A`, or None if its last segment has no `%3A`."""
    before, _, segment = path.rpartition("/")
    decoded_once = _COLON.sub(":", segment)
    return None if decoded_once == segment else f"{before}/{decoded_once}"


def _readings(path: str) -> Iterator[tuple[Sequence[str], str]]:
    """Yield segments and verb of a path: first with a verb after the last colon, then without a verb."""
    *segments, last = path[1:].split("/")
    name, colon, verb = last.rpartition(":")
    if colon and verb:
        yield [*segments, name], decoded(verb)
    yield [*segments, last], ""


def _matches(root: _Node[Route], segments: Sequence[str], path_verb: str) -> Iterator[dict[str, Route]]:
    """Walk the tree, literals first, with backtracking. Without recursion, as paths can have thousands of segments."""
    ahead = [(root, 0, False)]
    while ahead:
        node, depth, is_double_star = ahead.pop()
        if is_double_star:
            yield node.double_stars[path_verb]
            continue
        if path_verb in node.double_stars:
            ahead.append((node, depth, True))
        if depth == len(segments):
            if path_verb in node.ends:
                yield node.ends[path_verb]
            continue
        if node.star is not None and segments[depth]:
            ahead.append((node.star, depth + 1, False))
        if (literal := node.literals.get(segments[depth])) is not None:
            ahead.append((literal, depth + 1, False))
