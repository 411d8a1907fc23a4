"""Response caching, decided purely: keys, freshness, validation, and what may be stored and served (RFC 9111)."""
