"""Lambda functions, as they would run on AWS."""

from __future__ import annotations

import json
from typing import Any


def adopt(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A proxy integration: everything about the request in, everything about the response out."""
    wish = json.loads(event["body"] or "{}")
    if "by" not in wish:
        return {"statusCode": 422, "body": json.dumps({"message": 'say by whom: {"by": ...}'})}
    adoption = {
        "pet": event["pathParameters"]["id"],
        "by": wish["by"],
        "key": event["requestContext"]["identity"]["apiKeyId"],
        "request": event["requestContext"]["requestId"],
    }
    return {
        "statusCode": 201,
        "headers": {"Access-Control-Allow-Origin": "*", "Content-Type": "application/json"},
        "body": json.dumps(adoption),
    }
