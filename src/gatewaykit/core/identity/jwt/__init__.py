"""JSON Web Tokens: what a token says, and whether a key of the issuer signed it. Pure.

RFC 7515 (signatures), 7517 (keys), 7518 and 9864 (algorithms), 7519 (claims), 8725 (best practice); developer guide,
"Control access to HTTP APIs with JWT authorizers". A token is checked with `cryptography` directly: strict where a
library has to be lenient, and without the objects that one has to make.
"""
