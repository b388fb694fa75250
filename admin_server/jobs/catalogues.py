"""The sources as the jobs ask them."""

from __future__ import annotations

from dataclasses import dataclass

from admin_server.jobs.work import Page
from admin_server.sources.asking import Asker
from admin_server.sources.catalogues import Catalogue, Catalogues
from admin_server.sources.records import ExternalRecord


@dataclass(frozen=True)
class AskedCatalogue:
    """A source, asked with the deadline of an import for each book or page."""

    catalogues: Catalogues
    catalogue: Catalogue

    @property
    def name(self) -> str:
        """Its name in requests and in the store."""
        return self.catalogue.source.name

    @property
    def display_name(self) -> str:
        """Its name for people."""
        return self.catalogue.source.display_name

    @property
    def address(self) -> str:
        """Where its requests go."""
        return self.catalogue.address

    def page(self, query: str, start: int, most: int) -> Page:
        """Return a page of results."""
        return Page(*self.catalogue.source.page(self._asker(), query, start, most))

    def with_id(self, external_id: str) -> ExternalRecord | None:
        """Return all that the source has on a book."""
        return self.catalogue.source.with_id(self._asker(), external_id)

    def with_isbn(self, isbn: str) -> ExternalRecord | None:
        """Return the book with this ISBN-13."""
        return self.catalogue.source.with_isbn(self._asker(), isbn)

    def missing(self) -> str:
        """Return what is missing in the settings, as a clause; empty if it is set up."""
        return self.catalogue.problem

    def problem(self) -> str:
        """Return what is missing, or why the source is not asked at present; empty if it can be asked."""
        return self.catalogues.present_problem(self.catalogue)

    def _asker(self) -> Asker:
        return self.catalogues.asker(self.catalogue, self.catalogues.settings.import_seconds)


def asked_catalogues(catalogues: Catalogues) -> dict[str, AskedCatalogue]:
    """Return all sources by name, in the order in which they are asked."""
    return {each.source.name: AskedCatalogue(catalogues, each) for each in catalogues.all}
