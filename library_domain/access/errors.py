"""The errors that clients can get because of who they are, each with its status, its reason and its message."""

from __future__ import annotations

from collections.abc import Sequence

from google.protobuf import any_pb2

from service_kit.errors import (
    AlreadyExists,
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    ResourceExhausted,
    Unauthenticated,
    Unavailable,
    retry_after,
)


class SignInRequired(Unauthenticated):
    """A guest called a method that is not for guests."""

    reason = "SIGN_IN_REQUIRED"
    message = "This method needs a caller who has signed in: send `authorization: Bearer TOKEN` (`library login`)."


class TokenInvalid(Unauthenticated):
    """The token is not valid. The client does not learn why."""

    reason = "TOKEN_INVALID"
    message = "The token of this call is not valid, or no longer; refresh the session, or sign in again."


class RoleRequired(PermissionDenied):
    reason = "ROLE_REQUIRED"
    message = "This needs the role {required_role}, and the caller has the role {role}."


class NotYourOwn(PermissionDenied):
    """A patron named somebody else, or somebody else's loan, in `field`."""

    reason = "NOT_YOUR_OWN"
    message = "With the role patron, {field} can only name what is your own."


class OverrideNotPermitted(PermissionDenied):
    """`refusals` are the names of the reasons, separated by commas."""

    reason = "OVERRIDE_NOT_PERMITTED"
    message = "You may not override {refusals}; a manager may."


class ScopeRequired(PermissionDenied):
    """`scopes` are those of the token, separated by commas."""

    reason = "SCOPE_REQUIRED"
    message = "This API token is limited to {scopes}."


class SignInFailed(Unauthenticated):
    """The same for an unknown name and for a wrong secret."""

    reason = "SIGN_IN_FAILED"
    message = "No user has this name and this secret."


class SignInThrottled(ResourceExhausted):
    reason = "SIGN_IN_THROTTLED"
    message = "Too many attempts to sign in failed; try again in {seconds} seconds."

    def details(self) -> Sequence[any_pb2.Any]:
        """Add a RetryInfo with the seconds."""
        return [*super().details(), retry_after(int(self.metadata["seconds"]))]


class SessionEnded(Unauthenticated):
    """The session has ended, or never existed, or the refresh token is not its newest one."""

    reason = "SESSION_ENDED"
    message = "This session has ended; sign in again."


class ProviderNotSetUp(FailedPrecondition):
    reason = "PROVIDER_NOT_SET_UP"
    message = "This library has no OpenID provider; sign in with a password or a PIN."


class ProviderUnavailable(Unavailable):
    reason = "PROVIDER_UNAVAILABLE"
    message = "The OpenID provider {issuer} did not answer ({problem}); try again later."


class LastAdmin(FailedPrecondition):
    reason = "LAST_ADMIN"
    message = "The user {user_id} is the only admin; grant the role to somebody else first."


class ApiTokenExists(AlreadyExists):
    reason = "API_TOKEN_EXISTS"
    message = "An API token with the name {display_name} exists; choose another name, or revoke that token."


class ApiTokenNotFound(NotFound):
    reason = "API_TOKEN_NOT_FOUND"
    resource_type = "library.v1.ApiToken"
    message = "No API token has the id {id}."
