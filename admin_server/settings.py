"""All settings of the admin: made in `__main__`, passed on by `app`."""

from __future__ import annotations

from dataclasses import dataclass, field

from admin_server.intake.imports import ImportLimits
from admin_server.jobs.settings import JobSettings
from admin_server.operations.limits import OperationLimits
from admin_server.reports.borrower_pages import BorrowerPageLimits
from admin_server.sources.catalogues import SourceSettings
from service_kit.store_settings import ServerSettings


@dataclass(frozen=True)
class Settings:
    """How the admin runs."""

    server: ServerSettings
    imports: ImportLimits = field(default_factory=ImportLimits)
    operations: OperationLimits = field(default_factory=OperationLimits)
    borrower_pages: BorrowerPageLimits = field(default_factory=BorrowerPageLimits)
    sources: SourceSettings = field(default_factory=SourceSettings)
    jobs: JobSettings = field(default_factory=JobSettings)
