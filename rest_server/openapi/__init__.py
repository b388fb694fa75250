"""What is served, as an OpenAPI 3.1 document made of descriptors and their comments."""

from rest_server.openapi.document import document

__all__ = ["document"]
