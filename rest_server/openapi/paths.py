"""Path templates in OpenAPI's form, where a variable is one segment and has one name in a path."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple
from urllib.parse import quote

from protobuf import DescMessage

from rest_server.contracts.http_rules import HttpRule, field_named, message_of
from rest_server.contracts.path_templates import DOUBLE_STAR, STAR, Template, Variable

_UNRESERVED = "!$&'()*+,;=@"
"""Characters that a segment may have unencoded (RFC 3986) besides letters, digits and `-._~`, without the colon."""

_NO_NAME = re.compile(r"[^\w.-]")


class PathParameter(NamedTuple):
    """A wildcard of a path."""

    name: str
    variable: Variable | None
    """The variable that it is, or is a part of; None for a wildcard outside variables."""
    is_whole: bool
    """Whether it is all of the variable."""
    goes_on: bool
    """Whether it is `**`, and so any number of segments."""


def shape(template: Template) -> tuple[str, ...]:
    """Return what distinguishes paths in OpenAPI: all but the names of the variables."""
    return (*("{}" if segment in (STAR, DOUBLE_STAR) else segment for segment in template.segments), template.verb)


def path_of(template: Template, parameters: list[PathParameter]) -> str:
    """The path in OpenAPI's form, with the parameters' names."""
    names = iter(parameter.name for parameter in parameters)
    segments = [
        f"{{{next(names)}}}" if segment in (STAR, DOUBLE_STAR) else quote(segment, _UNRESERVED)
        for segment in template.segments
    ]
    return "/" + "/".join(segments) + (f":{quote(template.verb, _UNRESERVED)}" if template.verb else "")


def documented(rules: Iterable[HttpRule]) -> Iterator[tuple[HttpRule, list[PathParameter], str]]:
    """Yield each rule with its parameters and its path, as the document names them.

    OpenAPI takes a path with other variable names for the same path, so all use the names of the first one.
    """
    parameters_of: dict[tuple[str, ...], list[PathParameter]] = {}
    for rule in rules:
        own = path_parameters(rule)
        first = parameters_of.setdefault(shape(rule.template), own)
        parameters = [one._replace(name=known.name) for one, known in zip(own, first, strict=True)]
        yield rule, parameters, path_of(rule.template, parameters)


def path_parameters(rule: HttpRule) -> list[PathParameter]:
    """Return the wildcards of a path. Each is named after its field, or a part of a field after the segment before."""
    parameters: list[PathParameter] = []
    for position, segment in enumerate(rule.template.segments):
        if segment not in (STAR, DOUBLE_STAR):
            continue
        variable = _covering(rule.template, position)
        is_whole = variable is not None and pattern(rule.template, variable) == segment
        if variable is not None and is_whole:
            name = json_path(rule, variable.field_path)
        else:
            before = rule.template.segments[position - 1] if position else ""
            name = "segment" if before in ("", STAR, DOUBLE_STAR) else _NO_NAME.sub("_", before)
        taken = {parameter.name for parameter in parameters}
        names = [name, *(f"{name}_{number}" for number in range(2, len(taken) + 3))]
        free = next(name for name in names if name not in taken)
        parameters.append(PathParameter(free, variable, is_whole, segment == DOUBLE_STAR))
    return parameters


def json_path(rule: HttpRule, field_path: Sequence[str]) -> str:
    """Return a path of fields of the rule's request in JSON's names: `message.messageId`."""
    names: list[str] = []
    message: DescMessage | None = rule.method.input
    for name in field_path:
        field = field_named(message, name) if message is not None else None
        names.append(name if field is None else field.json_name)
        message = None if field is None else message_of(field)
    return ".".join(names)


def pattern(template: Template, variable: Variable) -> str:
    """Return the segments of a variable: `shelves/*/books/*`."""
    return "/".join(template.segments[variable.start : variable.end])


def _covering(template: Template, position: int) -> Variable | None:
    for variable in template.variables:
        end = len(template.segments) if variable.end is None else variable.end
        if variable.start <= position < end:
            return variable
    return None
