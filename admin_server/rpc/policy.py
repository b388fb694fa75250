"""library.admin.v1.PolicyService."""

from __future__ import annotations

import grpc

from admin_server.policy import library_settings, rules
from library.admin.v1 import policy_service_pb2, policy_service_pb2_grpc
from library.v1 import circulation_rule_pb2, library_settings_pb2
from service_kit.clock import Clock
from service_kit.paging import row_position
from service_kit.servicer import instrument_servicer
from service_kit.store import Store

SERVICE = policy_service_pb2.DESCRIPTOR.services_by_name["PolicyService"]


@instrument_servicer(
    SERVICE,
    rules={
        "CreateCirculationRule": [rules.check_new_rule],
        "ListCirculationRules": [row_position],
        "UpdateCirculationRule": [rules.check_rule_update],
        "UpdateLibrarySettings": [library_settings.check_settings],
    },
)
class PolicyServicer(policy_service_pb2_grpc.PolicyServiceServicer):
    """library.admin.v1.PolicyService."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store, self._clock = store, clock

    def CreateCirculationRule(
        self, request: policy_service_pb2.CreateCirculationRuleRequest, context: grpc.ServicerContext
    ) -> circulation_rule_pb2.CirculationRule:
        return rules.create_rule(self._store, request, self._clock)

    def GetCirculationRule(
        self, request: policy_service_pb2.GetCirculationRuleRequest, context: grpc.ServicerContext
    ) -> circulation_rule_pb2.CirculationRule:
        return rules.get_rule(self._store, request.id)

    def ListCirculationRules(
        self, request: policy_service_pb2.ListCirculationRulesRequest, context: grpc.ServicerContext
    ) -> policy_service_pb2.ListCirculationRulesResponse:
        found, token = rules.list_rules(self._store, request)
        return policy_service_pb2.ListCirculationRulesResponse(rules=found, next_page_token=token)

    def UpdateCirculationRule(
        self, request: policy_service_pb2.UpdateCirculationRuleRequest, context: grpc.ServicerContext
    ) -> circulation_rule_pb2.CirculationRule:
        return rules.update_rule(self._store, request, self._clock)

    def DeleteCirculationRule(
        self, request: policy_service_pb2.DeleteCirculationRuleRequest, context: grpc.ServicerContext
    ) -> circulation_rule_pb2.CirculationRule:
        return rules.delete_rule(self._store, request, self._clock)

    def GetLibrarySettings(
        self, request: policy_service_pb2.GetLibrarySettingsRequest, context: grpc.ServicerContext
    ) -> library_settings_pb2.LibrarySettings:
        return library_settings.get_settings(self._store)

    def UpdateLibrarySettings(
        self, request: policy_service_pb2.UpdateLibrarySettingsRequest, context: grpc.ServicerContext
    ) -> library_settings_pb2.LibrarySettings:
        return library_settings.update_settings(self._store, request, self._clock)
