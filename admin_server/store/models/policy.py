"""What the library decides about lending: branches, calendars, circulation rules and settings.

The first row of each table is made by the migration. It has the revision 0, so it is not in the feed, until it is
changed; the frontend has the same values built in: see `library_domain.default_policy`. A time is 0 if it is not known.
"""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField, BytewiseTextField, FeedColumns


class Branch(FeedColumns):
    """A branch. It is never removed, as items, rules and loans name it."""

    key = peewee.BigAutoField()
    code = BytewiseCharField(40, unique=True)
    display_name = peewee.TextField()
    time_zone = peewee.TextField()
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()

    class Meta:
        table_name = "branch"


class Calendar(FeedColumns):
    """The calendar of a branch."""

    key = peewee.BigAutoField()
    branch = BytewiseCharField(40, unique=True)
    message = peewee.BlobField()  # a serialized Calendar with the lists alone
    create_time = peewee.BigIntegerField()  # when it got its first lists, or its branch was created
    update_time = peewee.BigIntegerField()

    class Meta:
        table_name = "calendar"


IS_RULE = peewee.SQL("deleted = 0")


class CirculationRule(FeedColumns):
    """A circulation rule. A deleted one is kept, so that its deletion is in the feed."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    # By which it is sorted, in this order: see library_domain.rule_order.
    specificity_rank = peewee.SmallIntegerField()
    branch = BytewiseCharField(40)
    user_category_key = BytewiseTextField()  # the texts are in the message
    item_type_key = BytewiseTextField()
    message = peewee.BlobField()  # a serialized CirculationRule without its id, times and etag
    deleted = peewee.SmallIntegerField()
    create_time = peewee.BigIntegerField()
    update_time = peewee.BigIntegerField()

    class Meta:
        table_name = "circulation_rule"


CirculationRule.add_index(
    CirculationRule.specificity_rank,
    CirculationRule.branch,
    CirculationRule.user_category_key,
    CirculationRule.item_type_key,
    unique=True,
    where=IS_RULE,
    name="circulation_rule_in_order",
)


class LibrarySettings(FeedColumns):
    """The settings of the library: one row."""

    key = peewee.BigAutoField()
    id = peewee.CharField(36, unique=True)
    message = peewee.BlobField()  # a serialized LibrarySettings without its time and etag
    update_time = peewee.BigIntegerField()

    class Meta:
        table_name = "library_settings"
