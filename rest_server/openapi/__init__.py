"""What is served, as an OpenAPI 3.1 document made of descriptors and their comments."""

from rest_server.openapi.document import Info, document

__all__ = ["Info", "document"]
