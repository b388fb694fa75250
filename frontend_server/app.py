"""Puts the frontend service together and runs it: the only place where its parts are wired."""

from __future__ import annotations

from frontend_server.access.accounts import StoredAccounts
from frontend_server.access.audit import AuditTable
from frontend_server.access.keys import ensure_key, retire_replaced_keys
from frontend_server.access.settings import AccessSettings
from frontend_server.repair import find_start_damage
from frontend_server.rpc.services import CLOCK_SERVICES, WRITING_SERVICES, services
from frontend_server.settings import Settings
from frontend_server.store.models import MIGRATIONS, SCHEMA, bind, ensure_frontend_id, restart_in_replaced_database
from frontend_server.sync.pulled_books import forget_learned_words
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library_domain.access.audit import AuditLog
from library_domain.access.guard import guard_for
from library_domain.contract import contract_descriptors
from service_kit.clock import system_clock
from service_kit.damage import refuse_damaged
from service_kit.logs import logger
from service_kit.migrations import migrate, migrate_restored
from service_kit.server import Server, StopSignal, try_this
from service_kit.settings import TOKEN
from service_kit.store import Store

log = logger(__name__)


def run(settings: Settings) -> None:
    """Serve until SIGTERM or SIGINT. Raises `AddressTaken`, `ListenRefused` and `TlsSettingsError`."""
    settings.server.check_access()
    settings.server.check_channel(settings.sync.admin_target, "admin", settings.sync.admin_tls)
    tls = settings.server.tls()
    store = settings.server.open_store(SCHEMA)
    bind(store)
    clock = WatchedClock(store, system_clock)
    has_tokens = settings.server.access == TOKEN
    work = {"signing keys": lambda: retire_replaced_keys(store, system_clock)} if has_tokens else {}
    sync = Sync(store, settings.sync, clock, work)
    server = Server(settings.server.limits(store), contract_descriptors())

    def report_clock(is_right: bool) -> None:
        for name in CLOCK_SERVICES:
            server.report(name, serves=is_right)

    clock.report = report_clock
    access = AccessSettings(token_mode=has_tokens, provider=settings.provider)
    served = services(store, settings.rules, clock, sync, access)
    descriptors = [service.descriptor for service in served]
    audit = AuditLog(store, AuditTable(store), system_clock, added=sync.request_push)
    guard = guard_for(settings.server.access, descriptors, StoredAccounts(store), system_clock, audit)
    server.add(served, guard, settings.server.reflection)
    server.report_store(store, WRITING_SERVICES)
    address = server.listen(settings.server.listen, tls)
    log.info("listening", address=address, store=store.safe_url, try_this=try_this(address, tls))
    applied = migrate(store, MIGRATIONS)
    refuse_damaged(store, find_start_damage)
    store.on_replaced_database(lambda: take_up_replaced_database(store))
    with store.explained("begin to serve from {}"):
        frontend_id = ensure_frontend_id(store)
        clock.refresh()
        if has_tokens:
            ensure_key(store, system_clock)
    sync.start()
    if guard is not None:
        audit.start()
    stop = StopSignal()
    server.open()
    log.info(
        "serving",
        address=address,
        frontend_id=frontend_id,
        admin_target=settings.sync.admin_target,
        migrations_applied=applied,
    )
    stop.wait()
    log.info("stopping", grace_seconds=settings.server.grace)
    server.drain(interrupt=sync.stop)
    audit.stop()
    store.close()
    log.info("stopped")


def take_up_replaced_database(store: Store) -> None:
    """Continue with a database that was replaced while this server runs. It may lack the last migrations."""
    migrate_restored(store, MIGRATIONS)
    restart_in_replaced_database(store)
    forget_learned_words(store)
