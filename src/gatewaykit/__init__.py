"""gatewaykit: the semantics of Amazon API Gateway as ASGI policies and an embeddable gateway.

Public names load on first use, so that importing the package costs next to nothing. `__init__.pyi` types them.
"""

_HOME = {
    "ConfigError": "errors", "Problem": "errors", "StoreError": "errors", "UpstreamError": "errors",
    "SystemClock": "clock", "VirtualClock": "clock",
    "Head": "core.http", "Identity": "core.http", "Request": "core.http", "Response": "core.http",
    "Reason": "core.reasons", "Refusal": "core.reasons",
    "Policy": "ports",
    "Decision": "pipeline.decision",
    "access_log": "observe.access_log", "api_key": "policies.api_key", "authenticate": "policies.authenticate",
    "by": "policies.by", "cognito": "policies.cognito", "cors": "policies.cors", "quota": "policies.quota",
    "jwt": "policies.jwt",
    "resource_policy": "policies.resource_policy", "vpc_endpoint": "policies.vpc_endpoint",
    "iam": "policies.iam",
    "Credentials": "core.iam.credentials", "Principal": "core.iam.access", "Signer": "core.iam.signing",
    "credentials_env": "policies.credentials", "credentials_file": "policies.credentials_file",
    "credentials_lookup": "policies.credentials",
    "lambda_authorizer": "policies.lambda_authorizer",
    "steps": "policies.steps", "throttle": "policies.throttle", "transform": "policies.transform",
    "validate": "policies.validate",
    "ApiKey": "core.identity.api_key",
    "Gateway": "gateway.gateway",
    "PolicyMiddleware": "gateway.middleware", "rule": "gateway.middleware",
    "AccessLogMiddleware": "gateway.middleware", "ApiKeyMiddleware": "gateway.middleware",
    "AuthenticateMiddleware": "gateway.middleware", "CorsMiddleware": "gateway.middleware",
    "CognitoMiddleware": "gateway.middleware", "JwtMiddleware": "gateway.middleware",
    "IamMiddleware": "gateway.middleware", "LambdaAuthorizerMiddleware": "gateway.middleware",
    "QuotaMiddleware": "gateway.middleware", "ThrottleMiddleware": "gateway.middleware",
    "ResourcePolicyMiddleware": "gateway.middleware",
    "TransformMiddleware": "gateway.middleware",
    "ValidateMiddleware": "gateway.middleware",
    "identity": "gateway.fastapi", "identity_from": "gateway.fastapi", "optional_identity": "gateway.fastapi",
    "BufferedSink": "observe.access_log",
    "wsgi_app": "asgi.wsgi",
}  # fmt: skip

__all__ = [*_HOME, "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    if name not in _HOME:
        raise AttributeError(f"module 'gatewaykit' has no attribute {name!r}")
    from importlib import import_module

    home = import_module(f"gatewaykit.{_HOME[name]}")
    value = home if name in ("by", "steps") else getattr(home, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
