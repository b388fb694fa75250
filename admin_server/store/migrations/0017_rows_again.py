"""Let the frontend send all users and loans again.

A frontend that was upgraded before this service has sent fields that this service did not know, and dropped: cards,
categories, items, branches. Without epochs every cursor and receipt is invalid, so the frontend sends each row again. A
row of revision 0 is older than what it sends.
"""

from peewee import Database


def up(migrator: object, db: Database) -> None:
    for statement in ("UPDATE user_account SET revision = 0", "UPDATE loan SET revision = 0", "DELETE FROM epoch"):
        db.execute_sql(statement)
