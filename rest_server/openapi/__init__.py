"""The OpenAPI 3.1 document, made of descriptors and their comments."""

from rest_server.openapi.document import Info, document, json_names, text_with_json_names
from rest_server.openapi.needed_bodies import NeededBodies
from rest_server.openapi.paths import documented

__all__ = ["Info", "NeededBodies", "document", "documented", "json_names", "text_with_json_names"]
