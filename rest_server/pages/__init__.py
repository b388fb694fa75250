"""The paths that this server has itself: health, the OpenAPI document, the start page and Swagger UI."""
