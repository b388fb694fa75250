"""The settings of the schedule."""

from __future__ import annotations

from dataclasses import dataclass

from service_kit.clock import DAY

MOST_QUERY_CHARACTERS = 200

GAPS = "gaps"
"""What takes the place of a query for filling gaps."""


@dataclass(frozen=True, order=True)
class SourceQuery:
    """What a job asks a source for."""

    source: str
    query: str
    """As the source takes it, such as `subject:gardening`; or `gaps`."""

    @property
    def name(self) -> str:
        """Its name in the store and in settings: SOURCE:QUERY."""
        return f"{self.source}:{self.query}"


@dataclass(frozen=True)
class JobSettings:
    """What runs on a schedule. By default nothing does."""

    queries: tuple[SourceQuery, ...] = ()
    """What is imported from."""
    import_interval: int = DAY
    """Microseconds between two runs of a query."""
    import_most: int = 50
    """Books that a run adds at most."""
    import_copies: int = 1
    """Copies that a book has which a run adds."""
    gap_interval: int = 0
    """Microseconds between two runs that fill gaps; 0: gaps are not filled."""
    gap_most: int = 100
    """Books that a run asks a source about at most."""
    look_seconds: float = 5.0
    """How often a process looks whether a job is due."""
    lease_seconds: float = 10.0
    """How long a process that runs jobs may be silent before another one takes over."""

    @property
    def are_on(self) -> bool:
        """Whether anything is configured."""
        return bool(self.queries or self.gap_interval)


def source_query(text: str) -> SourceQuery:
    """Parse SOURCE:QUERY. Raises `ValueError`."""
    source, colon, query = text.partition(":")
    source, query = source.strip(), " ".join(query.split())
    if not colon or not source or not query:
        raise ValueError("must be a source and a query, such as open_library:subject:gardening")
    if len(query) > MOST_QUERY_CHARACTERS:
        raise ValueError(f"the query must have at most {MOST_QUERY_CHARACTERS} characters")
    if query == GAPS:
        raise ValueError("the query `gaps` is what the list of runs calls the filling of gaps; choose --fill-gaps")
    return SourceQuery(source, query)
