"""The command `library rules`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click

from library.admin.v1.policy_service_pb2 import (
    CreateCirculationRuleRequest,
    DeleteCirculationRuleRequest,
    UpdateCirculationRuleRequest,
)
from library.v1.circulation_rule_pb2 import CirculationRule
from library_cli.desk.refusals import Refusal
from library_cli.options import admin_target_option
from library_cli.policy.calls import Office, in_office
from library_cli.policy.rule_values import VALUES, fine_text, loan_text, shown_values, when_closed_text
from library_cli.tables import WIDE, Column, Form, as_json, json_option, limit_option, show
from service_kit.text.keys import text_key

Function = TypeVar("Function", bound=Callable[..., Any])

RULES = Form[CirculationRule](
    columns=[
        Column("branch", lambda rule: rule.branch, lambda rule: rule.branch or "any"),
        Column("category", lambda rule: rule.user_category, lambda rule: rule.user_category or "any"),
        Column("type", lambda rule: rule.item_type, lambda rule: rule.item_type or "any"),
        Column("loan", loan_text),
        Column("if closed", when_closed_text),
        Column("renewals", lambda rule: str(rule.renewal_limit)),
        Column("fine", fine_text),
        Column("id", lambda rule: rule.id, min_width=WIDE + 30, is_whole=True),
    ],
    as_json=as_json,
    nothing="There is no rule.",
)


def row_options(command: Function) -> Function:
    """Add the options that name a row of the table."""
    for name, noun in (("type", "type of the items"), ("category", "category of the users"), ("branch", "branch")):
        option = click.option(f"--{name}", f"row_{name}", default="", help=f"The {noun}.  [default: any]")
        command = option(command)
    return command


def value_options(command: Function) -> Function:
    """Add an option for each value of a rule."""
    for value in reversed(VALUES):
        command = click.option(f"--{value.option}", value.field, type=value.type, help=value.help)(command)
    return command


@click.group("rules", invoke_without_command=True, short_help="Show and change how items are lent to whom.")
@limit_option
@json_option
@admin_target_option
@click.pass_context
def rules_command(ctx: click.Context, limit: int | None, json_wanted: bool, admin_target: str) -> None:
    """List the circulation rules, the most specific first. Of those that match a check-out, the first applies.

    The output is a table on a terminal, otherwise a line for each rule, with tabs between branch, category, type (empty
    for any), loan, closed days, renewals, fine and id.

    Exit status: 0 when the service answered; 1 when it refused; 2 when no service answered.
    """
    ctx.obj = admin_target
    if ctx.invoked_subcommand is None:
        with in_office(admin_target, json_wanted=json_wanted) as office:
            show(office.rules(), RULES, json_wanted=json_wanted, limit=limit)


@rules_command.command("add")
@row_options
@value_options
@click.pass_obj
def add(admin_target: str, /, row_branch: str, row_category: str, row_type: str, **given: Any) -> None:
    """Add a rule for a branch, a category of users or a type of items. What no option sets has its usual value."""
    rule = CirculationRule(branch=row_branch, user_category=row_category, item_type=row_type, **_values(given))
    with in_office(admin_target) as office:
        added = office.change(office.policy.CreateCirculationRule, CreateCirculationRuleRequest(rule=rule))
    _print("Added", added)


@rules_command.command("change")
@row_options
@value_options
@click.option(
    "--clear",
    "cleared",
    multiple=True,
    metavar="NAME",
    type=click.Choice([value.option for value in VALUES]),
    help="Unset the value of this option; may be given several times.",
)
@click.pass_obj
def change(
    admin_target: str, /, row_branch: str, row_category: str, row_type: str, cleared: tuple[str, ...], **given: Any
) -> None:
    """Change values of the rule for this branch, category and type; without these, of the rule for everything."""
    values = _values(given)
    paths = [*values, *(value.field for value in VALUES if value.option in cleared and value.field not in values)]
    # A rule has days or hours.
    paths += ["loan_hours"] if values.get("loan_days") and "loan_hours" not in paths else []
    paths += ["loan_days"] if values.get("loan_hours") and "loan_days" not in paths else []
    if not paths:
        raise click.UsageError("Name the values to change, such as --days 21.")
    with in_office(admin_target) as office:
        row = _find(office, row_branch, row_category, row_type)
        request = UpdateCirculationRuleRequest(rule=CirculationRule(id=row.id, etag=row.etag, **values))
        request.update_mask.paths.extend(paths)
        changed = office.change(office.policy.UpdateCirculationRule, request)
    _print("Changed", changed)


@rules_command.command("delete")
@row_options
@click.pass_obj
def delete(admin_target: str, row_branch: str, row_category: str, row_type: str) -> None:
    """Delete the rule for this branch, category and type. The rule for everything cannot be deleted."""
    with in_office(admin_target) as office:
        row = _find(office, row_branch, row_category, row_type)
        office.change(office.policy.DeleteCirculationRule, DeleteCirculationRuleRequest(id=row.id, etag=row.etag))
    click.echo(f"Deleted the rule for {_row_text(row)}. Loans that were made with it keep it until they are renewed.")


def _values(given: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that options have set."""
    return {value.field: value.convert(given[value.field]) for value in VALUES if given[value.field] is not None}


def _find(office: Office, branch: str, category: str, item_type: str) -> CirculationRule:
    """Return the rule for exactly this branch, category and type. Raises Refusal."""
    wanted = (branch, text_key(category), text_key(item_type))
    for rule in office.rules():
        if (rule.branch, text_key(rule.user_category), text_key(rule.item_type)) == wanted:
            return rule
    row = CirculationRule(branch=branch, user_category=category, item_type=item_type)
    message = f"There is no rule for {_row_text(row)}. List the rules with: library rules"
    raise Refusal("RULE_NOT_FOUND", message)


def _row_text(rule: CirculationRule) -> str:
    """Return what a rule is for: `items of the type DVD`, `everything`."""
    parts = [f"items of the type {rule.item_type}"] if rule.item_type else []
    parts += [f"users of the category {rule.user_category}"] if rule.user_category else []
    parts += [f"the branch {rule.branch}"] if rule.branch else []
    return " and ".join(parts) or "everything"


def _print(done: str, rule: CirculationRule) -> None:
    click.echo(f"{done} the rule for {_row_text(rule)}:")
    for name, value in shown_values(rule):
        click.echo(f"  {name}: {value}")
