"""Why a request was refused: fine for the operator, coarse (a gateway response type) for the client.

Statuses, error types and messages: developer guide, "Gateway response types"; reference 01 section 4.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Final

__all__ = ["Reason", "Refusal", "ResponseType"]


class ResponseType(Enum):
    """A gateway response type: its name, default status, `x-amzn-ErrorType` and default message."""

    ACCESS_DENIED = ("ACCESS_DENIED", 403, "AccessDeniedException", "User is not authorized to access this resource")
    API_CONFIGURATION_ERROR = ("API_CONFIGURATION_ERROR", 500, "InternalServerErrorException", "Internal server error")
    AUTHORIZER_CONFIGURATION_ERROR = ("AUTHORIZER_CONFIGURATION_ERROR", 500, "AuthorizerConfigurationException", None)
    AUTHORIZER_FAILURE = ("AUTHORIZER_FAILURE", 500, "AuthorizerFailureException", None)
    BAD_REQUEST_PARAMETERS = (
        "BAD_REQUEST_PARAMETERS",
        400,
        "BadRequestException",
        "Missing required request parameters",
    )
    BAD_REQUEST_BODY = ("BAD_REQUEST_BODY", 400, "BadRequestException", "Invalid request body")
    EXPIRED_TOKEN = (
        "EXPIRED_TOKEN",
        403,
        "ExpiredTokenException",
        "The security token included in the request is expired",
    )
    INTEGRATION_FAILURE = (
        "INTEGRATION_FAILURE",
        504,
        "InternalServerErrorException",
        "Network error communicating with endpoint",
    )
    INTEGRATION_TIMEOUT = ("INTEGRATION_TIMEOUT", 504, "InternalServerErrorException", "Endpoint request timed out")
    INVALID_API_KEY = ("INVALID_API_KEY", 403, "ForbiddenException", "Forbidden")
    INVALID_SIGNATURE = (
        "INVALID_SIGNATURE", 403, "InvalidSignatureException",
        "The request signature we calculated does not match the signature you provided. Check your AWS Secret Access "
        "Key and signing method. Consult the service documentation for details.",
    )  # fmt: skip
    MISSING_AUTHENTICATION_TOKEN = (
        "MISSING_AUTHENTICATION_TOKEN", 403, "MissingAuthenticationTokenException", "Missing Authentication Token",
    )  # fmt: skip
    QUOTA_EXCEEDED = ("QUOTA_EXCEEDED", 429, "LimitExceededException", "Limit Exceeded")
    REQUEST_TOO_LARGE = ("REQUEST_TOO_LARGE", 413, "RequestTooLargeException", "Request Too Long")
    RESOURCE_NOT_FOUND = ("RESOURCE_NOT_FOUND", 404, "ResourceNotFoundException", "Not Found")
    THROTTLED = ("THROTTLED", 429, "TooManyRequestsException", "Too Many Requests")
    UNAUTHORIZED = ("UNAUTHORIZED", 401, "UnauthorizedException", "Unauthorized")
    UNSUPPORTED_MEDIA_TYPE = ("UNSUPPORTED_MEDIA_TYPE", 415, "BadRequestException", "Unsupported Media Type")
    WAF_FILTERED = ("WAF_FILTERED", 403, "ForbiddenException", "Forbidden")
    DEFAULT_4XX = ("DEFAULT_4XX", 400, "BadRequestException", "Bad Request")
    DEFAULT_5XX = ("DEFAULT_5XX", 500, "InternalFailureException", "Internal server error")

    def __init__(self, type_name: str, status: int, error_type: str, message: str | None) -> None:
        self.type_name = type_name
        self.status = status
        self.error_type = error_type
        self.message = message


_T = ResponseType


class Reason(Enum):
    """Why, for the operator. Each reason maps to one gateway response type; some carry a status of their own."""

    STAGE_NOT_FOUND = ("no such stage", _T.DEFAULT_4XX, 403, "Forbidden", "ForbiddenException")
    ROUTE_NOT_FOUND = ("route not found", _T.MISSING_AUTHENTICATION_TOKEN)
    METHOD_NOT_FOUND = ("the resource has no such method", _T.MISSING_AUTHENTICATION_TOKEN)
    MALFORMED_REQUEST = ("malformed request", _T.DEFAULT_4XX)

    API_KEY_MISSING = ("no API key was sent", _T.INVALID_API_KEY)
    API_KEY_UNKNOWN = ("unknown API key", _T.INVALID_API_KEY)
    API_KEY_DISABLED = ("disabled API key", _T.INVALID_API_KEY)
    API_KEY_EXPIRED = ("expired API key, or one from before its rotation", _T.INVALID_API_KEY)
    API_KEY_NOT_IN_PLAN = ("the API key's plans do not hold this stage", _T.INVALID_API_KEY)

    UNAUTHENTICATED = ("no valid credentials", _T.UNAUTHORIZED)
    FORBIDDEN = ("not allowed", _T.ACCESS_DENIED)
    DENIED_IMPLICITLY = ("no policy allows it", _T.ACCESS_DENIED)
    DENIED_EXPLICITLY = (
        "a policy denies it", _T.ACCESS_DENIED, 403,
        "User is not authorized to access this resource with an explicit deny in an identity-based policy",
    )  # fmt: skip
    ADDRESS_DENIED = ("the client's address is not let in", _T.WAF_FILTERED)
    CLIENT_CERTIFICATE_MISSING = ("no client certificate", _T.DEFAULT_4XX, 403, "Forbidden", "ForbiddenException")
    CLIENT_CERTIFICATE_INVALID = (
        "the client certificate is not trusted", _T.DEFAULT_4XX, 403, "Forbidden", "ForbiddenException",
    )  # fmt: skip

    IDENTITY_SOURCE_MISSING = ("an identity source is missing or empty", _T.UNAUTHORIZED)
    IDENTITY_SOURCE_INVALID = ("the identity source does not match its expression", _T.UNAUTHORIZED)
    TOKEN_MISSING = ("no token was sent", _T.UNAUTHORIZED)
    TOKEN_INVALID = ("the token is not valid", _T.UNAUTHORIZED)
    TOKEN_EXPIRED = ("the token has expired", _T.UNAUTHORIZED)
    TOKEN_UNFIT = ("the token is of the wrong kind, or lacks a scope", _T.UNAUTHORIZED)
    SCOPE_MISSING = ("the token lacks a scope", _T.DEFAULT_4XX, 403, "Forbidden", "ForbiddenException")
    ISSUER_UNREACHABLE = ("the issuer of tokens cannot be asked", _T.AUTHORIZER_FAILURE)

    SIGNATURE_MISSING = ("no AWS signature", _T.MISSING_AUTHENTICATION_TOKEN)
    SIGNATURE_INCOMPLETE = (
        "the AWS signature lacks parts", _T.DEFAULT_4XX, 403, None, "IncompleteSignatureException",
    )  # fmt: skip
    SIGNATURE_INVALID = ("the AWS signature does not match", _T.INVALID_SIGNATURE)
    SIGNATURE_EXPIRED = ("the AWS signature is out of its time", _T.INVALID_SIGNATURE)
    SIGNATURE_MISSCOPED = ("the AWS signature is for another region or service", _T.INVALID_SIGNATURE)
    ACCESS_KEY_UNKNOWN = (
        "unknown access key or session token", _T.ACCESS_DENIED, 403,
        "The security token included in the request is invalid.",
    )  # fmt: skip
    SESSION_TOKEN_EXPIRED = ("the session token has expired", _T.EXPIRED_TOKEN)

    AUTHORIZER_FAILED = ("the authorizer failed", _T.AUTHORIZER_FAILURE)
    AUTHORIZER_MISCONFIGURED = ("the authorizer gave no usable answer", _T.AUTHORIZER_CONFIGURATION_ERROR)

    THROTTLED = ("over the rate", _T.THROTTLED)
    CONCURRENCY_EXCEEDED = ("too many requests are under way", _T.THROTTLED)
    LIMIT_KEY_MISSING = ("a limit found no key to count the request under", _T.THROTTLED)
    QUOTA_EXCEEDED = ("over the quota", _T.QUOTA_EXCEEDED)

    PARAMETERS_MISSING = ("required request parameters are missing", _T.BAD_REQUEST_PARAMETERS)
    BODY_INVALID = ("the body does not match its model", _T.BAD_REQUEST_BODY)
    BODY_NOT_JSON = ("the body is not valid JSON", _T.BAD_REQUEST_BODY)
    BODY_MAPPING_INVALID = ("a mapping needs the body as JSON and it is not", _T.DEFAULT_4XX)
    BODY_NOT_TRANSFORMED = ("the body cannot be transformed", _T.BAD_REQUEST_BODY)
    BODY_TOO_LARGE = ("the body is over the limit", _T.REQUEST_TOO_LARGE)
    BODY_CODING_UNUSABLE = ("the body's content coding is unknown or broken", _T.UNSUPPORTED_MEDIA_TYPE)
    MEDIA_TYPE_UNSUPPORTED = ("no mapping template for this media type", _T.UNSUPPORTED_MEDIA_TYPE)
    CACHE_INVALIDATION_DENIED = ("the caller may not have a cached response made anew", _T.ACCESS_DENIED)
    IDEMPOTENCY_KEY_MISSING = ("no idempotency key was sent", _T.DEFAULT_4XX, 400, "Idempotency-Key header required")
    IDEMPOTENCY_KEY_INVALID = ("the idempotency key cannot be read", _T.DEFAULT_4XX, 400, "Invalid Idempotency-Key")
    IDEMPOTENCY_KEY_REUSED = (
        "the idempotency key came with another request", _T.DEFAULT_4XX, 422,
        "This Idempotency-Key was used for another request", "IdempotentParameterMismatchException",
    )  # fmt: skip
    REQUEST_IN_PROGRESS = (
        "a request with this idempotency key is under way", _T.DEFAULT_4XX, 409,
        "A request with this Idempotency-Key is in progress", "ConflictException",
    )  # fmt: skip
    ANSWER_NOT_KEPT = (
        "the request was carried out, and its answer was too large to keep", _T.DEFAULT_4XX, 409,
        "The request was carried out before; its answer is not available", "ConflictException",
    )  # fmt: skip
    CORS_REFUSED = ("the cross-origin rules do not allow this request", _T.ACCESS_DENIED)
    CLIENT_GONE = ("the client closed the connection", _T.DEFAULT_4XX, 499)  # for logs: nobody reads an answer

    INTEGRATION_TIMEOUT = ("the back end did not answer in time", _T.INTEGRATION_TIMEOUT)
    INTEGRATION_UNREACHABLE = ("the back end could not be reached", _T.INTEGRATION_FAILURE)
    INTEGRATION_BROKE_OFF = ("the back end closed the connection before its answer was whole", _T.INTEGRATION_FAILURE)
    INTEGRATION_RESPONSE_INVALID = (
        "the back end's response is not usable",
        _T.INTEGRATION_FAILURE,
        502,
        "Internal server error",
    )
    INTEGRATION_RESPONSE_TOO_LARGE = (
        "the back end's response is over the limit",
        _T.INTEGRATION_FAILURE,
        500,
        "Internal server error",
    )
    FUNCTION_FAILED = ("the function raised or failed", _T.INTEGRATION_FAILURE, 502, "Internal server error")
    FUNCTION_EVENT_TOO_LARGE = ("the event is over what a function may be sent", _T.REQUEST_TOO_LARGE)
    FUNCTION_BUSY = ("every worker of the function is busy", _T.INTEGRATION_FAILURE, 500, "Internal server error")
    ENDPOINT_INVALID = ("invalid endpoint address", _T.API_CONFIGURATION_ERROR)
    MAPPING_FAILED = ("a mapping failed", _T.API_CONFIGURATION_ERROR)
    NO_INTEGRATION_RESPONSE = ("no integration response matches and there is no default", _T.API_CONFIGURATION_ERROR)
    CONFIGURATION = ("the configuration cannot serve this request", _T.API_CONFIGURATION_ERROR)
    STORE_FAILED = ("a store could not answer", _T.DEFAULT_5XX, 503)
    INTERNAL_ERROR = ("an unexpected failure", _T.DEFAULT_5XX)

    def __init__(
        self,
        text: str,
        response_type: ResponseType,
        status: int | None = None,
        message: str | None = None,
        error_type: str | None = None,
    ) -> None:
        self.text = text
        self.response_type = response_type
        self.status: int = status or response_type.status
        self.message: str | None = message or response_type.message
        self.error_type: str = error_type or response_type.error_type


_NO_FACTS: Final[Mapping[str, Any]] = {}


@dataclass(slots=True, eq=False)
class Refusal:
    """A request that goes no further. The client sees what `reason` maps to; `detail` is for the operator only.

    `message` replaces the default message of the response type, `error_type` its `x-amzn-ErrorType`. `headers` are
    added to the response under the web profile only (Retry-After, WWW-Authenticate, RateLimit), `aws_headers` under
    every profile, because API Gateway sends them too. `facts` feed `$context.error.*` (`validationErrorString`).
    `status` replaces the reason's status; it is for a refusal that relays another party's choice. `cause` is the
    exception behind a failure; its traceback goes to the operator's log.
    """

    reason: Reason
    detail: str = ""
    message: str | None = None
    headers: tuple[tuple[bytes, bytes], ...] = ()
    facts: Mapping[str, Any] = field(default_factory=lambda: _NO_FACTS)
    status: int | None = None
    cause: BaseException | None = None
    error_type: str | None = None
    aws_headers: tuple[tuple[bytes, bytes], ...] = ()
