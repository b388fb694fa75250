"""Librarians look up and change the settings of the library."""

from __future__ import annotations

from admin_server.policy.messages import settings_message
from admin_server.store.models import LibrarySettings
from library.admin.v1.policy_service_pb2 import UpdateLibrarySettingsRequest
from library.v1 import library_settings_pb2
from library_domain.amounts import amount_problem
from library_domain.default_policy import SETTINGS_ID
from library_domain.errors import SettingsEtagMismatch
from service_kit.clock import Clock
from service_kit.errors import FieldInvalid
from service_kit.etags import etag_of
from service_kit.field_masks import masked_fields, updated
from service_kit.idempotency import once
from service_kit.revisions import lock_revisions, take_revisions
from service_kit.store import Store
from service_kit.text.keys import tidied
from service_kit.unreadable import readable

CHANGEABLE_FIELDS = ("display_name", "loan_limit", "user_fine_cap")


def get_settings(store: Store) -> library_settings_pb2.LibrarySettings:
    """Return the settings."""
    with store.reading(), readable("settings", SETTINGS_ID):
        return settings_message(_stored_settings())


def update_settings(
    store: Store, request: UpdateLibrarySettingsRequest, clock: Clock
) -> library_settings_pb2.LibrarySettings:
    """Change the settings that the mask names. Raises `FieldInvalid` and `SettingsEtagMismatch`."""
    check_settings(request)
    settings = request.settings
    fields, _ = masked_fields(settings, request.update_mask, CHANGEABLE_FIELDS)

    def update() -> library_settings_pb2.LibrarySettings:
        lock_revisions()
        row = _stored_settings()
        if settings.etag and settings.etag != etag_of(row.revision, row.update_time):
            raise SettingsEtagMismatch()
        before = library_settings_pb2.LibrarySettings.FromString(bytes(row.message))
        after = updated(before, settings, fields)
        after.display_name = tidied(after.display_name)
        if after != before:
            row.message = after.SerializeToString(deterministic=True)
            row.update_time, row.revision = clock(), take_revisions()
            row.save()
        return settings_message(row)

    with readable("settings", SETTINGS_ID):
        return once(store, request, library_settings_pb2.LibrarySettings, update, clock)


def check_settings(request: UpdateLibrarySettingsRequest) -> None:
    """Raise `FieldInvalid` with all problems of an update that the contract's own rules do not cover."""
    settings = request.settings
    fields, wrong = masked_fields(settings, request.update_mask, CHANGEABLE_FIELDS)
    if "user_fine_cap" in fields and settings.HasField("user_fine_cap"):
        problem = amount_problem(settings.user_fine_cap)
        wrong += [("settings.user_fine_cap", problem)] if problem else []
    if wrong:
        raise FieldInvalid(*wrong)


def _stored_settings() -> LibrarySettings:
    return LibrarySettings.get(LibrarySettings.id == SETTINGS_ID)
