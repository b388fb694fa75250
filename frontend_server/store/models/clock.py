"""What the service remembers of the clock."""

from __future__ import annotations

import peewee


class ClockMark(peewee.Model):
    """The one row with the newest time that is known to have passed: see `frontend_server.watched_clock`."""

    one = peewee.IntegerField(primary_key=True)
    newest_time = peewee.BigIntegerField()  # to the minute; 0 while the store is empty
    ignored_until = peewee.BigIntegerField()  # times up to here are wrong where they are ahead of the clock

    class Meta:
        table_name = "clock_mark"
