"""gatewaykit: the semantics of Amazon API Gateway as ASGI policies and an embeddable gateway.

Public names load on first use, so that importing the package costs next to nothing. `__init__.pyi` types them.
"""

_HOME = {
    "ConfigError": "errors", "Problem": "errors", "StoreError": "errors", "UpstreamError": "errors",
    "SystemClock": "clock", "VirtualClock": "clock",
    "Head": "core.http", "Identity": "core.http", "Request": "core.http", "Response": "core.http",
    "Reason": "core.reasons", "Refusal": "core.reasons", "Credentials": "core.iam.credentials",
    "Principal": "core.iam.access", "Signer": "core.iam.signing", "ApiKey": "core.identity.api_key",
    "Policy": "ports", "Decision": "pipeline.decision",
    "BufferedSink": "observe.access_log", "access_log": "observe.access_log",
    "address_filter": "policies.address_filter", "api_key": "policies.api_key",
    "authenticate": "policies.authenticate", "by": "policies.by", "cognito": "policies.cognito",
    "concurrency": "policies.concurrency",
    "cors": "policies.cors", "cost": "policies.cost", "credentials_env": "policies.credentials",
    "credentials_lookup": "policies.credentials",
    "credentials_file": "policies.credentials_file", "edge_cache": "policies.edge_cache",
    "forward_auth": "policies.forward_auth", "iam": "policies.iam",
    "idempotency": "policies.idempotency", "introspection": "policies.introspection", "jwt": "policies.jwt",
    "lambda_authorizer": "policies.lambda_authorizer", "mtls": "policies.mtls",
    "preauth_throttle": "policies.preauth_throttle", "quota": "policies.quota",
    "resource_policy": "policies.resource_policy", "saml_bearer": "policies.saml_bearer", "steps": "policies.steps",
    "stage_cache": "policies.stage_cache",
    "throttle": "policies.throttle", "transform": "policies.transform", "validate": "policies.validate",
    "vpc_endpoint": "policies.vpc_endpoint",
    "identity": "gateway.fastapi", "identity_from": "gateway.fastapi", "optional_identity": "gateway.fastapi",
    "Gateway": "gateway.gateway", "AccessLogMiddleware": "gateway.middleware",
    "AddressFilterMiddleware": "gateway.middleware", "ApiKeyMiddleware": "gateway.middleware",
    "AuthenticateMiddleware": "gateway.middleware", "CognitoMiddleware": "gateway.middleware",
    "ConcurrencyMiddleware": "gateway.middleware",
    "CorsMiddleware": "gateway.middleware", "EdgeCacheMiddleware": "gateway.middleware",
    "ForwardAuthMiddleware": "gateway.middleware",
    "IamMiddleware": "gateway.middleware", "IdempotencyMiddleware": "gateway.middleware",
    "IntrospectionMiddleware": "gateway.middleware",
    "JwtMiddleware": "gateway.middleware", "LambdaAuthorizerMiddleware": "gateway.middleware",
    "MtlsMiddleware": "gateway.middleware", "PolicyMiddleware": "gateway.middleware",
    "PreauthThrottleMiddleware": "gateway.middleware", "QuotaMiddleware": "gateway.middleware",
    "ResourcePolicyMiddleware": "gateway.middleware", "SamlBearerMiddleware": "gateway.middleware",
    "StageCacheMiddleware": "gateway.middleware",
    "ThrottleMiddleware": "gateway.middleware", "TransformMiddleware": "gateway.middleware",
    "ValidateMiddleware": "gateway.middleware", "rule": "gateway.middleware",
    "wsgi_app": "asgi.wsgi",
}  # fmt: skip

__all__ = [*_HOME, "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gatewaykit' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"gatewaykit.{_HOME[name]}")
    value = home if name in ("by", "cost", "steps") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
