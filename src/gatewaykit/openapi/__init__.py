"""OpenAPI documents to definitions: one reader per extension key."""
