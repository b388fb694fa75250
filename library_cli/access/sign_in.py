"""The commands `library login`, `library logout` and `library whoami`."""

from __future__ import annotations

import json
from dataclasses import replace

import click

from library.access.v1.access_pb2 import ROLE_GUEST
from library.access.v1.access_service_pb2 import (
    CreateSessionRequest,
    EndSessionRequest,
    EndUserSessionsRequest,
    GetSignInOptionsRequest,
    Identity,
    SignInOptions,
    WhoAmIRequest,
)
from library.access.v1.access_service_pb2_grpc import AccessServiceStub
from library_cli.access.chosen import chosen
from library_cli.access.contexts import Context, Session, changing_contexts
from library_cli.access.prompts import check_transport, plain_text_option, secret, stdin_option
from library_cli.access.provider import sign_in_at
from library_cli.access.tokens import saved
from library_cli.channel import ANSWER_SECONDS, connected, connected_as_guest, connected_with
from library_cli.desk.refusals import ended_by_refusals
from library_cli.grpc_errors import CallFailed
from library_cli.options import admin_option, frontend_option, frontend_target_option
from library_cli.plain_text import one_line
from library_cli.tables import as_json, json_option
from library_cli.times import local_time
from library_cli.transport import chosen as chosen_files
from library_domain.access.roles import role_name

SIGN_IN_SECONDS = 30.0
"""Deadline of a call that checks a password, which has to wait while many sign in."""


@click.command("login", short_help="Sign in; later commands use the session.")
@click.argument("name", required=False)
@stdin_option
@click.option("--provider", "at_provider", is_flag=True, help="Sign in at the OpenID provider of the library instead.")
@click.option("--no-browser", is_flag=True, help="With --provider: print its address, and open no browser.")
@plain_text_option
@admin_option
@frontend_option
def login_command(
    name: str | None,
    from_stdin: bool,
    at_provider: bool,
    no_browser: bool,
    allow_plain_text: bool,
    admin_target: str,
    frontend_target: str,
) -> None:
    """Sign in with NAME, an e-mail address or a card number, and a password or a PIN.

    The session is kept in a private file in your configuration folder, for later commands to the same library. It ends
    30 days after it was last used, or by `library logout`.

    Exit status: 0 when you are signed in; 1 when the service refused; 2 when it did not answer.
    """
    check_transport(frontend_target, allow_plain_text=allow_plain_text)
    with ended_by_refusals(json_wanted=False), connected_as_guest(frontend_target) as channel:
        service = AccessServiceStub(channel)
        options = _options(service, frontend_target)
        if at_provider:
            session = _provider_session(service, options, opens_browser=not no_browser)
        else:
            name = name or click.prompt("E-mail address or card number")
            request = CreateSessionRequest(name=name, secret=secret("Password or PIN", from_stdin=from_stdin))
            session = saved(service.CreateSession(request, timeout=SIGN_IN_SECONDS))
    _end(_save(session, frontend_target, admin_target))
    with ended_by_refusals(json_wanted=False), connected_with(lambda: session.access_token, frontend_target) as channel:
        identity = AccessServiceStub(channel).WhoAmI(WhoAmIRequest(), timeout=ANSWER_SECONDS)
    click.echo(f"Signed in as {one_line(identity.display_name)}, with the role {role_name(identity.role)}.")


@click.command("logout", short_help="End the session of `library login`.")
@click.option("--everywhere", is_flag=True, help="End your sessions on all machines.")
def logout_command(everywhere: bool) -> None:
    """End the session of the library that is in use, and delete its tokens.

    Exit status: 0 when no session is left here; with --everywhere 1 when the service refused, 2 when it did not answer.
    """
    context = chosen().context()
    if context.session is None:
        click.echo("You are not signed in.")
        return
    if everywhere:
        with ended_by_refusals(json_wanted=False), connected(context.frontend_target) as channel:
            request = EndUserSessionsRequest(user_id=context.session.user_id)
            AccessServiceStub(channel).EndUserSessions(request, timeout=ANSWER_SECONDS)
    with changing_contexts() as changes:
        present = changes.contexts.of(chosen().name)
        changes.contexts = changes.contexts.with_context(chosen().name, replace(present, session=None))
    problem = "" if everywhere else _end(replace(context, session=present.session or context.session))
    click.echo(f"Signed out here. {problem}".strip())


@click.command("whoami", short_help="Show who you are for the library, and what you may do.")
@json_option
@frontend_target_option
def whoami_command(json_wanted: bool, frontend_target: str) -> None:
    """Show the user or the API token of your calls, its role, and until when it is valid.

    Exit status: 0, also when you are not signed in; 1 when the token is not valid; 2 when no service answered.
    """
    with ended_by_refusals(json_wanted=json_wanted), connected(frontend_target) as channel:
        identity = AccessServiceStub(channel).WhoAmI(WhoAmIRequest(), timeout=ANSWER_SECONDS)
    if json_wanted:
        click.echo(json.dumps(as_json(identity), indent=2, ensure_ascii=False))
        return
    for line in in_lines(identity):
        click.echo(line)


def in_lines(identity: Identity) -> list[str]:
    """Return an identity in words."""
    if identity.role == ROLE_GUEST and not identity.display_name:
        return ["You are not signed in. A guest may search the catalogue. To sign in, run: library login"]
    lines = [f"{one_line(identity.display_name) or 'Everybody'}, with the role {role_name(identity.role)}."]
    if identity.user_id:
        lines.append(f"User: {identity.user_id}")
    if identity.override_reasons:
        each = "each refusal that can be overridden" if "*" in identity.override_reasons else None
        lines.append(f"May override: {each or ', '.join(identity.override_reasons)}")
    if identity.scopes:
        lines.append(f"Only for: {', '.join(identity.scopes)}")
    if identity.HasField("expire_time"):
        lines.append(f"The token is valid until {local_time(identity.expire_time)}.")
    return lines


def _options(service: AccessServiceStub, target: str) -> SignInOptions:
    """Return how users sign in. Raises click.ClickException if the library checks no tokens."""
    options: SignInOptions = service.GetSignInOptions(GetSignInOptionsRequest(), timeout=ANSWER_SECONDS)
    if not options.token_mode:
        raise click.ClickException(
            f"The library at {target} runs in the mode open: it checks no tokens, and every command works without."
        )
    return options


def _provider_session(service: AccessServiceStub, options: SignInOptions, *, opens_browser: bool) -> Session:
    """Sign in at the OpenID provider. Raises click.ClickException if there is none, or if it does not sign in."""
    if not options.HasField("provider"):
        raise click.ClickException("This library has no OpenID provider; sign in with a password: library login NAME")
    request = sign_in_at(options.provider, opens_browser=opens_browser)
    return saved(service.CreateProviderSession(request, timeout=SIGN_IN_SECONDS))


def _save(session: Session, frontend_target: str, admin_target: str) -> Context:
    """Save a session in the context of this run; return the context before."""
    with changing_contexts() as changes:
        before = changes.contexts.of(chosen().name)
        made = replace(
            before,
            frontend_target=frontend_target,
            admin_target=admin_target,
            ca=chosen_files().ca,
            token="",
            session=session,
        )
        changes.contexts = changes.contexts.with_context(chosen().name, made)
    return before


def _end(context: Context) -> str:
    """End the session of a context at its service, if there is one. Return a sentence if that was not possible."""
    if context.session is None:
        return ""
    try:
        with connected_as_guest(context.frontend_target) as channel:
            request = EndSessionRequest(refresh_token=context.session.refresh_token)
            AccessServiceStub(channel).EndSession(request, timeout=ANSWER_SECONDS)
    except CallFailed as failure:
        return f"At the service, the session ends by itself. {failure}"
    return ""
