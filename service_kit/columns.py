"""Columns that tables of several kinds have in common."""

from __future__ import annotations

from typing import Any

import peewee


class FeedColumns(peewee.Model):
    """For a model whose changes are published: each change takes the next revision, by which it is read."""

    revision = peewee.BigIntegerField(unique=True)  # see service_kit.revisions

    class Meta:
        primary_key = False


class ReplicaColumns(peewee.Model):
    """For a model whose rows are copied from another service's feed."""

    revision = peewee.BigIntegerField()  # the other service's
    generation = peewee.BigIntegerField()  # the number of the last full reading of the feed that contained the row

    class Meta:
        primary_key = False


class _Bytewise(peewee.Field):
    """SQLite compares texts by their bytes, PostgreSQL by the locale of the database unless a column overrides it."""

    def ddl(self, ctx: Any) -> Any:
        """Return the definition of the column."""
        definition = super().ddl(ctx)
        if not isinstance(self.model._meta.database, peewee.PostgresqlDatabase):
            return definition
        return peewee.NodeList((definition, peewee.SQL('COLLATE "C"')))


class BytewiseTextField(_Bytewise, peewee.TextField):
    """A text that both engines compare byte by byte."""


class BytewiseCharField(_Bytewise, peewee.CharField):
    """A text of limited length that both engines compare byte by byte."""
