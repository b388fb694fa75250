"""AccessService at real servers: in the mode `token` by gRPC and over HTTP, and in the mode `open`."""

from __future__ import annotations

import grpc
import pytest

from frontend_server.store import models
from library.access.v1 import access_service_pb2 as pb
from library.access.v1.access_pb2 import ROLE_ADMIN, ROLE_GUEST, ROLE_LIBRARIAN, ROLE_PATRON, Role
from library.frontend.v1.member_service_pb2 import CloseUserRequest, EnrollUserRequest, GetUserRequest
from library.v1 import user_pb2
from library.v1.staff_pb2 import StaffRole
from tests.support.clients import FrontendClient, refusal_of
from tests.support.processes import Servers
from tests.support.rest import RestServers
from tests.support.stores import Engine, FreshDatabases, bound_store

NO_ADMIN = "127.0.0.1:1"
PASSWORD = "a quiet harbour"


def bearer(session: pb.Session) -> tuple[tuple[str, str], ...]:
    return (("authorization", f"Bearer {session.access_token}"),)


def reason_of(call: object, *args: object, **options: object) -> str:
    with pytest.raises(grpc.RpcError) as error:
        call(*args, **options)  # type: ignore[operator]
    return refusal_of(error.value).reason


@pytest.fixture
def url(databases: FreshDatabases, engine: Engine) -> str:
    return databases.migrated("frontend", engine)


def enrol(frontend: FrontendClient) -> tuple[user_pb2.User, pb.Session]:
    """Enrol somebody in the mode open, where no token is needed, who sets a password and signs in."""
    user = frontend.members.EnrollUser(EnrollUserRequest(email="ada@example.org", first_name="Ada"))
    code = frontend.access.CreateResetCode(pb.CreateResetCodeRequest(user_id=user.id)).code
    frontend.access.SetPassword(pb.SetPasswordRequest(name=user.email, proof=code, new_secret=PASSWORD))
    return user, sign_in(frontend)


def sign_in(frontend: FrontendClient) -> pb.Session:
    return frontend.access.CreateSession(pb.CreateSessionRequest(name="ada@example.org", secret=PASSWORD))


def set_role(url: str, user_id: str, role: Role.ValueType) -> None:
    """Write a role as the sync does."""
    with bound_store("frontend", url) as store, store.writing():
        message = StaffRole(user_id=user_id, role=role).SerializeToString()
        models.StaffRole.insert(id=user_id, message=message, revision=1, generation=1).execute()


def test_a_user_signs_in_and_out_in_both_modes(servers: Servers, rest_servers: RestServers, url: str) -> None:
    opened = servers.start("frontend", url, ADMIN_TARGET=NO_ADMIN)
    frontend = opened.frontend()
    assert not frontend.access.GetSignInOptions(pb.GetSignInOptionsRequest()).token_mode
    assert frontend.access.WhoAmI(pb.WhoAmIRequest()) == pb.Identity(role=ROLE_ADMIN, override_reasons=["*"])
    user, session = enrol(frontend)
    assert session.role == ROLE_PATRON
    opened.stop()
    set_role(url, user.id, ROLE_LIBRARIAN)

    guarded = servers.start("frontend", url, ADMIN_TARGET=NO_ADMIN, ACCESS="token")
    frontend = guarded.frontend()
    access, members = frontend.access, frontend.members
    assert access.GetSignInOptions(pb.GetSignInOptionsRequest()).token_mode
    assert access.WhoAmI(pb.WhoAmIRequest()) == pb.Identity(role=ROLE_GUEST)
    assert access.WhoAmI(pb.WhoAmIRequest(), metadata=bearer(session)).session_id == session.id
    get = GetUserRequest(id=user.id)
    assert reason_of(members.GetUser, get) == "SIGN_IN_REQUIRED"
    assert members.GetUser(get, metadata=bearer(session)).id == user.id
    assert reason_of(access.CreateResetCode, pb.CreateResetCodeRequest(user_id=user.id)) == "SIGN_IN_REQUIRED"
    own = {"request": pb.CreateResetCodeRequest(user_id=user.id), "metadata": bearer(session)}
    assert reason_of(access.CreateResetCode, **own) == "ROLE_REQUIRED"

    refreshed = access.RefreshSession(pb.RefreshSessionRequest(refresh_token=session.refresh_token))
    access.EndSession(pb.EndSessionRequest(refresh_token=refreshed.refresh_token))
    for each in (session, refreshed):
        assert reason_of(members.GetUser, get, metadata=bearer(each)) == "TOKEN_INVALID"
        assert reason_of(access.WhoAmI, pb.WhoAmIRequest(), metadata=bearer(each)) == "TOKEN_INVALID"
    refresh = pb.RefreshSessionRequest(refresh_token=refreshed.refresh_token)
    assert reason_of(access.RefreshSession, refresh) == "SESSION_ENDED"

    rest = rest_servers.start([guarded.address])
    body = {"name": "ada@example.org", "secret": PASSWORD}
    answer = rest.request("POST", "/access/v1/sessions", body)
    assert answer.status == 200, answer.body
    token = {"Authorization": f"Bearer {answer.json()['accessToken']}"}
    me = rest.request("GET", "/access/v1/me", headers=token).json()
    assert (me["userId"], me["role"], me["displayName"]) == (user.id, "ROLE_LIBRARIAN", "Ada")
    wrong = rest.request("POST", "/access/v1/sessions", {**body, "secret": "a turnip at 17:03"})
    assert (wrong.status, wrong.refusal.reason) == (401, "SIGN_IN_FAILED")

    last = sign_in(frontend)
    assert access.EndUserSessions(pb.EndUserSessionsRequest(user_id=user.id), metadata=bearer(last)) is not None
    assert reason_of(members.GetUser, get, metadata=bearer(last)) == "TOKEN_INVALID"
    closing = sign_in(frontend)
    members.CloseUser(CloseUserRequest(id=user.id), metadata=bearer(closing))
    assert reason_of(access.CreateSession, pb.CreateSessionRequest(**body)) == "SIGN_IN_FAILED"
    log = guarded.log.read_text() + opened.log.read_text()
    for secret in (PASSWORD, session.access_token, refreshed.refresh_token, answer.json()["refreshToken"]):
        assert secret not in log
