"""Other catalogues: when each may be asked next, what it answered, and which of its books are here."""

from __future__ import annotations

import peewee

from service_kit.columns import BytewiseCharField


class ExternalSource(peewee.Model):
    """When a server outside may be asked next, for all processes of the admin. Times are microseconds since 1970."""

    name = BytewiseCharField(100, primary_key=True)  # of a source, or a host with covers
    settings = peewee.CharField(64)  # a digest of its address and key: with others, a pause is over
    next_request_time = peewee.BigIntegerField()
    failures = peewee.IntegerField()  # in a row; the next success sets it to 0
    pause_end_time = peewee.BigIntegerField()  # 0 without a pause
    problem = peewee.TextField()  # of the last failure, without keys

    class Meta:
        table_name = "external_source"


class ExternalAnswer(peewee.Model):
    """What a source answered to a request, so that the same request is not sent again soon."""

    key = peewee.BigAutoField()
    source = peewee.CharField(100)
    request = peewee.CharField(64)  # a digest of the address
    body = peewee.BlobField()  # compressed by zlib; empty if the source has nothing there
    fetch_time = peewee.BigIntegerField()

    class Meta:
        table_name = "external_answer"


ExternalAnswer.add_index(ExternalAnswer.source, ExternalAnswer.request, unique=True, name="external_answer_request")
ExternalAnswer.add_index(ExternalAnswer.fetch_time, name="external_answer_by_time")


class ExternalBook(peewee.Model):
    """A book of this library that was added from another catalogue: without an ISBN it is found again by its id."""

    source = peewee.CharField(50)
    external_id = BytewiseCharField(100)
    book_id = peewee.CharField(36)

    class Meta:
        table_name = "external_book"
        primary_key = peewee.CompositeKey("source", "external_id")
