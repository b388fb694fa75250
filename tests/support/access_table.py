"""Every method of the contract, and what the guard is to answer to each kind of caller: made from the descriptors."""

from __future__ import annotations

import functools
import importlib
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf import descriptor_pool
from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.descriptor_pb2 import FileDescriptorSet
from google.protobuf.message_factory import GetMessageClass

from library.access.v1 import access_pb2
from library.access.v1.access_pb2 import (
    OWN_KIND_LOAN,
    OWN_KIND_USER,
    ROLE_GUEST,
    ROLE_LIBRARIAN,
    ROLE_SERVICE,
    Access,
    Role,
)
from library_domain.contract import contract_descriptors
from tests.support.access import bearer
from tests.support.clients import Refusal, refusal_of

CALL_SECONDS = 100.0

LET_IN = ""
"""In the place of the reason of a refusal: the guard lets the call in, and the service answers or refuses it."""

GUARDS_REASONS = frozenset(
    {
        *("SIGN_IN_REQUIRED", "TOKEN_INVALID", "ROLE_REQUIRED", "NOT_YOUR_OWN", "OVERRIDE_NOT_PERMITTED"),
        *("SCOPE_REQUIRED", "SYNC_SECRET_WRONG", "OTHER_FRONTEND"),
    }
)


OPERATIONS = "google.longrunning.Operations"


@dataclass(frozen=True)
class ContractMethod:
    """A method, as the contract describes it."""

    descriptor: MethodDescriptor

    @property
    def name(self) -> str:
        """As in `package.Service/Method`."""
        return f"{self.descriptor.containing_service.full_name}/{self.descriptor.name}"

    @property
    def access(self) -> Access:
        """The option. Without it, the role is not set, except for operations: their contract is Google's."""
        if self.descriptor.containing_service.full_name == OPERATIONS:
            return Access(role=ROLE_LIBRARIAN)
        found: Access = self.descriptor.GetOptions().Extensions[access_pb2.access]
        return found

    @property
    def is_of_frontend(self) -> bool:
        """Whether the frontend serves it."""
        return self.name.startswith(("library.frontend.", "library.access."))

    def request(self, **values: str) -> Any:
        """Return a request with values at some paths, which are written with two underscores: `user__id`."""
        request = GetMessageClass(self.descriptor.input_type)()
        for path, value in values.items():
            *parents, name = path.split("__")
            setattr(functools.reduce(getattr, parents, request), name, value)
        return request

    def request_of(self, user_id: str, loan_id: str) -> Any:
        """Return a request whose own fields name a user, and a loan of the user."""
        own = {OWN_KIND_USER: user_id, OWN_KIND_LOAN: loan_id}
        return self.request(**{field.path.replace(".", "__"): own[field.kind] for field in self.access.own})

    def guards_reason(self, channel: grpc.Channel, request: Any, token: str) -> str:
        """Call it with a token, and return the reason of the guard's refusal, or `LET_IN`."""
        refusal = self.refusal(channel, request, token)
        if refusal is None:
            return LET_IN
        is_guards = refusal.code in (grpc.StatusCode.UNAUTHENTICATED, grpc.StatusCode.PERMISSION_DENIED)
        assert (refusal.reason in GUARDS_REASONS) == is_guards, refusal
        return refusal.reason if is_guards else LET_IN

    def refusal(self, channel: grpc.Channel, request: Any, token: str) -> Refusal | None:
        """Call it with a token, and return the refusal, if it is refused."""
        answer = self.answer(channel, request, token)
        return answer if isinstance(answer, Refusal) else None

    def answer(self, channel: grpc.Channel, request: Any, token: str) -> Any:
        """Call it with a token, and return the answer or the refusal."""
        write, read = type(request).SerializeToString, GetMessageClass(self.descriptor.output_type).FromString
        metadata = bearer(token)
        try:
            if self.descriptor.client_streaming:
                sent = channel.stream_unary(f"/{self.name}", write, read)
                return sent(iter([request]), metadata=metadata, timeout=CALL_SECONDS)
            return channel.unary_unary(f"/{self.name}", write, read)(request, metadata=metadata, timeout=CALL_SECONDS)
        except grpc.RpcError as error:
            return refusal_of(error)


def _methods() -> list[ContractMethod]:
    files = FileDescriptorSet.FromString(contract_descriptors()).file
    found = []
    for file in files:
        if file.service:
            importlib.import_module(file.name.replace("/", ".").removesuffix(".proto") + "_pb2")
        for service in file.service:
            descriptor = descriptor_pool.Default().FindServiceByName(f"{file.package}.{service.name}")
            found += [ContractMethod(method) for method in descriptor.methods]
    return found


METHODS = _methods()


def without_token(method: ContractMethod) -> str:
    """Return the reason for which a call without a token is refused."""
    return {ROLE_GUEST: LET_IN, ROLE_SERVICE: "SYNC_SECRET_WRONG"}.get(method.access.role, "SIGN_IN_REQUIRED")


def with_bad_token(method: ContractMethod) -> str:
    """Return the reason for which a call with a token that is not valid is refused: also where guests need none."""
    return "SYNC_SECRET_WRONG" if method.access.role == ROLE_SERVICE else "TOKEN_INVALID"


def with_role(method: ContractMethod, role: Role.ValueType) -> str:
    """Return the reason for which a call of somebody with a role is refused, who names nobody in the request."""
    if method.access.role == ROLE_SERVICE:
        return "SYNC_SECRET_WRONG"
    return LET_IN if role >= method.access.role else "ROLE_REQUIRED"


def with_scopes(method: ContractMethod, role: Role.ValueType, scopes: tuple[str, ...]) -> str:
    """The same for a program that is limited to services or methods."""
    reason = with_role(method, role)
    if reason or method.access.role == ROLE_GUEST or not scopes:
        return reason
    service = method.descriptor.containing_service.full_name
    return LET_IN if {service, method.name}.intersection(scopes) else "SCOPE_REQUIRED"
