"""OpenAPI documents to definitions: one reader per extension key."""

from gatewaykit.openapi.api import Reading, read_definition

__all__ = ["Reading", "read_definition"]
