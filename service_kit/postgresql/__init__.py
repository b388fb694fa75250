"""What a store needs of PostgreSQL: the pool, the settings of a session, the checks at the start, the witness."""

from __future__ import annotations

from service_kit.postgresql.pool import Pool
from service_kit.postgresql.start_checks import UnsuitableDatabase, check_database, explain

__all__ = ["Pool", "UnsuitableDatabase", "check_database", "explain"]
