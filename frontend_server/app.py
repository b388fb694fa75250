"""Puts the frontend service together and runs it: the only place where its parts are wired."""

from __future__ import annotations

from frontend_server.circulation.rules import LendingRules
from frontend_server.repair import find_start_damage
from frontend_server.rpc.services import LENDING_SERVICE_NAME, WRITING_SERVICES, services
from frontend_server.store.models import MIGRATIONS, bind, doubt_replaced_database, introduce
from frontend_server.sync.pulled_books import forget_learnt_words
from frontend_server.sync.sync import Sync
from frontend_server.watched_clock import WatchedClock
from library_domain.contract import contract_descriptors
from service_kit.clock import system_clock
from service_kit.damage import refuse_damaged
from service_kit.logs import logger
from service_kit.migrations import migrate, migrate_restored
from service_kit.server import Limits, Server, wait_for_stop
from service_kit.store import Store

log = logger(__name__)


def run(
    store: Store, listen: str, limits: Limits, rules: LendingRules, admin_target: str, sync_interval: float
) -> None:
    """Serve until SIGTERM or SIGINT. Raises `AddressTaken`."""
    bind(store)
    clock = WatchedClock(store, system_clock)
    sync = Sync(store, admin_target, sync_interval, clock)
    server = Server(limits, contract_descriptors())
    clock.report = lambda is_right: server.report(LENDING_SERVICE_NAME, serves=is_right)
    server.add(services(store, rules, clock, sync))
    server.report_store(store, WRITING_SERVICES)
    address = server.listen(listen)
    log.info("listening", address=address, store=store.safe_url, try_this=f"grpcurl -plaintext {address} list")
    applied = migrate(store, MIGRATIONS)
    refuse_damaged(store, find_start_damage)
    store.on_replaced_database(lambda: take_up_replaced_database(store))
    with store.explained("begin to serve from {}"):
        frontend_id = introduce(store)
        clock.refresh()
    sync.start()
    server.open()
    log.info("serving", address=address, frontend_id=frontend_id, admin_target=admin_target, migrations_applied=applied)
    wait_for_stop()
    log.info("stopping", grace_seconds=limits.grace_seconds)
    server.drain(interrupt=sync.stop)
    store.close()
    log.info("stopped")


def take_up_replaced_database(store: Store) -> None:
    """Take up a database that was replaced while this server runs, maybe by one of before the last migration."""
    migrate_restored(store, MIGRATIONS)
    doubt_replaced_database(store)
    forget_learnt_words(store)
