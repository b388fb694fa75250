"""The sync methods are for the one frontend that the admin is paired with, which proves itself by its secret."""

from __future__ import annotations

import grpc
import pytest
from google.protobuf.message import Message

from admin_server.rpc.servicers import services
from admin_server.store.models import Frontend
from admin_server.sync.epochs import begin_epoch
from admin_server.sync.pairing import accept_frontend, check_caller
from frontend_server.store.models import SyncState, ensure_frontend_id, own_credentials
from library.sync.v1.sync_service_pb2 import ListCatalogChangesRequest, RecordStatesRequest
from library_domain.errors import OtherFrontend, SyncSecretWrong
from library_domain.pairing import HEADER, Credentials
from service_kit.ids import new_id
from service_kit.random_secrets import new_secret
from service_kit.store import Store
from tests.support.admin import Admin
from tests.support.clients import CREDENTIALS
from tests.support.clocks import SettableClock
from tests.support.frontend import at_once
from tests.support.servicers import ServicerRunner

OWN, OTHER = CREDENTIALS, Credentials(new_id(), new_secret())
WRONG = Credentials(OWN.frontend_id, new_secret())
PULL = ListCatalogChangesRequest()


def call(admin: Admin, caller: Credentials, request: Message = PULL) -> None:
    check_caller(admin.store, caller.metadata(), request)


def test_the_first_caller_is_paired_and_nobody_else_may_call(admin: Admin) -> None:
    call(admin, OWN)
    call(admin, OWN)
    with pytest.raises(SyncSecretWrong) as wrong:
        call(admin, WRONG)
    assert f"library-admin accept-frontend {OWN.frontend_id}" in str(wrong.value)
    with pytest.raises(OtherFrontend) as other:
        call(admin, OTHER)
    assert other.value.metadata == {"frontend_id": OWN.frontend_id, "other_frontend_id": OTHER.frontend_id}
    for refusal in (wrong.value, other.value):
        assert not any(each.secret in str(refusal) for each in (OWN, WRONG, OTHER))
    [row] = Frontend.select()
    assert OWN.secret not in repr(row.__data__)


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        ((HEADER, ""),),
        ((HEADER, OWN.secret),),
        ((HEADER, f"Bearer {OWN.secret}"),),
        ((HEADER, f"Bearer {OWN.frontend_id}"),),
        ((HEADER, f"Bearer {OWN.frontend_id}."),),
        ((HEADER, f"Bearer {OWN.frontend_id}.short"),),
        ((HEADER, f"Basic {OWN.frontend_id}.{OWN.secret}"),),
        ((HEADER, f"Bearer {OWN.frontend_id}.{OWN.secret} "),),
        ((HEADER, f"Bearer {OWN.frontend_id}.{OWN.secret}" * 100),),
        ((HEADER, b"\xff"),),
        (*OWN.metadata(), *OWN.metadata()),
        (*OWN.metadata(), *OTHER.metadata()),
    ],
)
def test_a_call_without_a_secret_pairs_nobody(admin: Admin, metadata: tuple[tuple[str, str], ...]) -> None:
    with pytest.raises(SyncSecretWrong):
        check_caller(admin.store, metadata, PULL)
    assert not Frontend.select().exists()


def test_a_request_of_another_frontend_than_the_caller_is_refused(admin: Admin) -> None:
    call(admin, OWN, RecordStatesRequest(frontend_id=OWN.frontend_id))
    call(admin, OWN, RecordStatesRequest(frontend_id=OWN.frontend_id.upper()))
    with pytest.raises(SyncSecretWrong):
        call(admin, OWN, RecordStatesRequest(frontend_id=OTHER.frontend_id))


def test_a_frontend_that_was_known_before_there_were_secrets_is_paired_by_its_next_call(admin: Admin) -> None:
    Frontend.insert(one=1, id=OWN.frontend_id, newest_revision=7).execute()
    with pytest.raises(OtherFrontend):
        call(admin, OTHER)
    call(admin, OWN)
    with pytest.raises(SyncSecretWrong):
        call(admin, WRONG)
    assert Frontend.get().newest_revision == 7


def test_accept_frontend_lets_a_frontend_pair_again(admin: Admin) -> None:
    call(admin, OWN)
    accept_frontend(admin.store, OWN.frontend_id)
    call(admin, WRONG)  # as after its store was lost with its secret
    with pytest.raises(SyncSecretWrong):
        call(admin, OWN)
    accept_frontend(admin.store, OTHER.frontend_id)
    with pytest.raises(OtherFrontend):
        call(admin, WRONG)
    call(admin, OTHER)


def test_of_many_who_call_first_one_is_paired(admin: Admin) -> None:
    callers = [Credentials(new_id(), new_secret()) for _ in range(4)]
    callers += [Credentials(callers[0].frontend_id, new_secret()) for _ in range(4)]

    def first_call(caller: Credentials) -> Credentials:
        call(admin, caller)
        return caller

    outcomes = at_once(admin.store, [lambda caller=caller: first_call(caller) for caller in callers])  # type: ignore[misc]
    paired = [outcome for outcome in outcomes if isinstance(outcome, Credentials)]
    assert len(paired) == 1
    assert all(isinstance(each, (Credentials, OtherFrontend, SyncSecretWrong)) for each in outcomes)
    call(admin, paired[0])


def test_a_frontend_keeps_its_secret_and_its_processes_share_it(frontend_store: Store) -> None:
    at_once(frontend_store, [lambda: ensure_frontend_id(frontend_store)] * 4)
    made = own_credentials(frontend_store)
    assert len(made.secret) == 43
    ensure_frontend_id(frontend_store)
    assert own_credentials(frontend_store) == made
    assert made.secret not in repr(made)


def test_a_store_of_before_there_were_secrets_gets_one_at_its_next_start(frontend_store: Store) -> None:
    ensure_frontend_id(frontend_store)
    before = own_credentials(frontend_store)
    with frontend_store.writing():
        SyncState.update(secret="").execute()
    ensure_frontend_id(frontend_store)
    after = own_credentials(frontend_store)
    assert after.frontend_id == before.frontend_id
    assert len(after.secret) == 43
    assert after.secret != before.secret


@pytest.fixture
def runner(admin_store: Store, clock: SettableClock) -> ServicerRunner:
    begin_epoch(admin_store, clock)
    return ServicerRunner(services(admin_store, clock))


@pytest.mark.parametrize(
    ("method", "request_"),
    [
        ("ListCatalogChanges", ListCatalogChangesRequest(cursor="garbage", page_size=-1)),
        ("RecordStates", RecordStatesRequest()),
        ("RecordStates", RecordStatesRequest(frontend_id=OTHER.frontend_id)),
    ],
)
def test_every_sync_method_checks_the_secret_first(
    runner: ServicerRunner, admin: Admin, method: str, request_: Message
) -> None:
    call(admin, OTHER)
    refusal = runner.refusal(f"library.sync.v1.SyncService/{method}", request_, WRONG.metadata())
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.UNAUTHENTICATED, "SYNC_SECRET_WRONG")
