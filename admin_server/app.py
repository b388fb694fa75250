"""Puts the admin service together and runs it: the only place where its parts are wired."""

from __future__ import annotations

from admin_server.access.accounts import StoredAccounts
from admin_server.access.audit import AuditTable
from admin_server.jobs.catalogues import asked_catalogues
from admin_server.jobs.schedule import Jobs
from admin_server.operations.signals import Signals
from admin_server.operations.worker import Worker
from admin_server.rpc.servicers import WRITING_SERVICES, services
from admin_server.settings import Settings
from admin_server.sources.catalogues import Catalogues
from admin_server.store.models import MIGRATIONS, SCHEMA, bind
from admin_server.sync.epochs import begin_epoch, begin_epoch_in_replaced_database
from admin_server.sync.repair import find_start_damage
from library_domain.access.audit import AuditLog
from library_domain.access.guard import guard_for
from library_domain.contract import contract_descriptors
from service_kit.clock import system_clock
from service_kit.damage import refuse_damaged
from service_kit.logs import logger
from service_kit.migrations import made_store, migrate, migrate_restored
from service_kit.server import Server, StopSignal, try_this
from service_kit.store import Store

log = logger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `AddressTaken`, `ListenRefused` and `TlsSettingsError`."""
    settings.server.check_access()
    tls = settings.server.tls()
    store = settings.server.open_store(SCHEMA)
    bind(store)
    server = Server(settings.server.limits(store), contract_descriptors())
    signals = Signals()
    worker = Worker(store, system_clock, signals, settings.operations)
    catalogues = Catalogues(store, settings.sources, system_clock)
    jobs = Jobs(store, settings.jobs, asked_catalogues(catalogues), catalogues, system_clock)
    served = services(
        store,
        system_clock,
        settings.imports,
        settings.borrower_pages,
        signals,
        settings.operations,
        catalogues,
        settings.jobs,
    )
    descriptors = [service.descriptor for service in served]
    audit = AuditLog(store, AuditTable(store), system_clock)
    guard = guard_for(settings.server.access, descriptors, StoredAccounts(store, system_clock), system_clock, audit)
    server.add(served, guard, settings.server.reflection)
    server.report_store(store, WRITING_SERVICES)
    address = server.listen(settings.server.listen, tls)
    log.info("listening", address=address, store=store.safe_url, try_this=try_this(address, tls))
    applied = migrate(store, MIGRATIONS)
    refuse_damaged(store, find_start_damage)
    store.on_replaced_database(lambda: take_up_replaced_database(store))
    with store.explained("begin to serve from {}"):
        begin_epoch(store, system_clock)
    if guard is not None:
        audit.start()
    stop = StopSignal()
    server.open()
    worker.start()
    jobs.start()
    log.info("serving", address=address, migrations_applied=applied, store_is_new=made_store(applied, MIGRATIONS))
    stop.wait()
    log.info("stopping", grace_seconds=settings.server.grace)
    signals.stop()
    jobs.request_stop()
    server.drain()
    worker.stop()
    jobs.stop()
    audit.stop()
    store.close()
    log.info("stopped")


def take_up_replaced_database(store: Store) -> None:
    """Continue with a database that was replaced while this server runs. It may lack the last migrations."""
    migrate_restored(store, MIGRATIONS)
    begin_epoch_in_replaced_database(store, system_clock)
