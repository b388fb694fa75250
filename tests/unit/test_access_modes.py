"""The modes: who can connect to a server in the mode `open`, and what a server needs to know about its methods."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from google.longrunning import operations_pb2
from google.protobuf import descriptor_pb2, descriptor_pool

from library.access.v1 import access_pb2
from library.access.v1.access_pb2 import (
    OWN_KIND_LOAN,
    OWN_KIND_USER,
    ROLE_GUEST,
    ROLE_LIBRARIAN,
    ROLE_PATRON,
    ROLE_SERVICE,
    Access,
)
from library.admin.v1.catalog_service_pb2 import DESCRIPTOR as ADMIN_CATALOG
from library.frontend.v1.member_service_pb2 import DESCRIPTOR as MEMBERS
from library_domain.access.guard import guard_for
from library_domain.access.method_rules import rules_of
from library_domain.access.requirements import RequirementMissing
from service_kit.addresses import ListenRefused
from service_kit.clock import system_clock
from service_kit.ids import new_id
from service_kit.store_settings import ServerSettings
from service_kit.tls import PLAIN_TEXT, ChannelTls
from tests.support.access import AccountsInMemory

REACHED = ["0.0.0.0:0", "[::]:0", "192.0.2.1:50051", "no-such-host.invalid:50051"]


@pytest.mark.parametrize("listen", REACHED)
def test_an_open_server_that_others_reach_does_not_start(listen: str) -> None:
    with pytest.raises(ListenRefused, match=r"--access token.*--allow-open"):
        ServerSettings(listen, "").check_access()
    ServerSettings(listen, "", allow_open=True).check_access()
    ServerSettings(listen, "", access="token", allow_plain_text=True).check_access()


@pytest.mark.parametrize("address", REACHED)
def test_tokens_pass_between_machines_with_tls_only(address: str, tmp_path: Path) -> None:
    with pytest.raises(ListenRefused, match=r"--tls-cert.*--allow-plain-text"):
        ServerSettings(address, "", access="token").check_access()
    ServerSettings(address, "", access="token", tls_cert=tmp_path, tls_key=tmp_path).check_access()
    frontend = ServerSettings("127.0.0.1:0", "", access="token")
    with pytest.raises(ListenRefused, match=r"--admin-ca.*--allow-plain-text"):
        frontend.check_channel(address, "admin", PLAIN_TEXT)
    frontend.check_channel(address, "admin", ChannelTls("ca.pem"))
    frontend.check_channel("127.0.0.1:50052", "admin", PLAIN_TEXT)
    for allowed in ({"access": "open"}, {"access": "token", "allow_plain_text": True}):
        ServerSettings("127.0.0.1:0", "", **allowed).check_channel(address, "admin", PLAIN_TEXT)


@pytest.mark.parametrize("listen", ["127.0.0.1:0", "[::1]:0", "localhost:50051", "127.8.8.8:1"])
def test_an_open_server_on_loopback_starts(listen: str) -> None:
    ServerSettings(listen, "").check_access()


def described(*, request: str = "library.frontend.v1.UpdateUserRequest", streams: bool = False, **access: Any) -> Any:
    """A service with one method that has this option."""
    name = f"test_{new_id().replace('-', '')}"
    file = descriptor_pb2.FileDescriptorProto(name=f"{name}.proto", package=name, syntax="proto3")
    file.dependency.extend([MEMBERS.name, ADMIN_CATALOG.name])
    method = file.service.add(name="Service").method.add(
        name="Call", input_type=f".{request}", output_type=f".{request}", client_streaming=streams
    )
    if access:
        method.options.Extensions[access_pb2.access].CopyFrom(Access(**access))
    pool = descriptor_pool.Default()
    pool.AddSerializedFile(file.SerializeToString())
    return pool.FindFileByName(file.name).services_by_name["Service"]


def own(path: str, kind: Any = OWN_KIND_USER) -> list[dict[str, Any]]:
    return [{"path": path, "kind": kind}]


@pytest.mark.parametrize(
    "option",
    [
        {},
        {"own": own("user.id")},
        {"role": 7},
        {"role": ROLE_PATRON, "own": own("user.nothing")},
        {"role": ROLE_PATRON, "own": own("nothing.id")},
        {"role": ROLE_PATRON, "own": own("user")},
        {"role": ROLE_PATRON, "own": own("user.id.id")},
        {"role": ROLE_PATRON, "own": own("user.blocks")},
        {"role": ROLE_PATRON, "own": own("user.id", 0)},
        {"role": ROLE_PATRON, "own": own("user.id", 9)},
        {"role": ROLE_PATRON, "own_paths": ["email"]},
        {"role": ROLE_PATRON, "own": own("user.id"), "own_paths": ["nothing"]},
        {"role": ROLE_PATRON, "own": own("id"), "own_paths": ["id"], "request": "library.frontend.v1.GetUserRequest"},
        {"role": ROLE_PATRON, "own": own("user.id"), "streams": True},
        {"role": ROLE_SERVICE, "own": own("user.id")},
        {"role": ROLE_GUEST, "request": "library.frontend.v1.CheckOutRequest", "streams": True},
    ],
    ids=str,
)
@pytest.mark.parametrize("access", ["open", "token"])
def test_a_server_does_not_start_with_a_method_whose_option_is_missing_or_does_not_fit(
    option: dict[str, Any], access: str
) -> None:
    with pytest.raises(RequirementMissing):
        guard_for(access, [described(**option)], AccountsInMemory(), system_clock)


def test_operations_have_no_option_and_are_for_librarians() -> None:
    rules = rules_of([operations_pb2.DESCRIPTOR.services_by_name["Operations"]])
    assert len(rules) == 5
    assert {rule.role for rule in rules.values()} == {ROLE_LIBRARIAN}
    assert "google.longrunning.Operations" in rules["google.longrunning.Operations/CancelOperation"].scopes


def test_a_method_whose_option_fits_is_guarded() -> None:
    service = described(role=ROLE_PATRON, own=own("user.id", OWN_KIND_LOAN), own_paths=["email"])
    assert guard_for("open", [service], AccountsInMemory(), system_clock) is None
    assert guard_for("token", [service], AccountsInMemory(), system_clock) is not None
