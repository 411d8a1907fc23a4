"""What every stack of a comparison is given: the same keys, limits, schema, template and requests."""

from __future__ import annotations

import json
from collections import deque
from typing import Any, Final

__all__ = [
    "API_KEY", "BURST", "LINES", "MAX_BODY_BYTES", "ORDER", "ORIGIN", "PRINCIPAL", "RATE", "SCHEMA", "TEMPLATE",
    "bare", "echo",
]  # fmt: skip

ORIGIN: Final = "https://shop.example"
PRINCIPAL: Final = "acme"
API_KEY: Final = "Uo9mBo4tZt0H2gGZBZSSW8pEdCl5yTMj"
RATE: Final = 1_000_000  # no request is refused, so that every one goes the whole way
BURST: Final = 5000
MAX_BODY_BYTES: Final = 10 * 1024 * 1024

LINES: deque[str] = deque(maxlen=1000)
"""Where access logs go: all stacks pay for the line, none for the disk."""

SCHEMA: Final[dict[str, Any]] = {
    "type": "object",
    "required": ["id", "customer", "lines"],
    "properties": {
        "id": {"type": "string", "minLength": 1, "maxLength": 40},
        "customer": {
            "type": "object",
            "required": ["name", "email"],
            "properties": {"name": {"type": "string"}, "email": {"type": "string", "maxLength": 100}},
        },
        "currency": {"enum": ["EUR", "USD", "GBP"]},
        "lines": {
            "type": "array",
            "minItems": 1,
            "items": {
                "type": "object",
                "required": ["sku", "quantity", "price"],
                "properties": {
                    "sku": {"type": "string", "pattern": "^[A-Z]{3}-[0-9]{4}$"},
                    "quantity": {"type": "integer", "minimum": 1, "maximum": 100},
                    "price": {"type": "number", "minimum": 0},
                    "note": {"type": "string", "maxLength": 80},
                },
            },
        },
    },
}

ORDER: Final = json.dumps(
    {
        "id": "order-2026-000417",
        "customer": {"name": "Ada Lovelace", "email": "ada@engine.example"},
        "currency": "EUR",
        "lines": [
            {
                "sku": f"ABC-{1000 + n}",
                "quantity": 1 + n,
                "price": 3.5 * (n + 1),
                "note": f"{'wrapped as a gift ':.36}{n}",
            }
            for n in range(10)
        ],
    }
).encode()
"""About 1 kB."""

TEMPLATE: Final = (
    '#set($order = $input.path("$"))'
    '{"reference": "$order.id", "buyer": "$order.customer.email", "parts": ['
    '#foreach($line in $order.lines){"part": "$line.sku", "count": $line.quantity, "price": $line.price, '
    '"note": "$line.note"}#if($foreach.hasNext), #end#end]}'
)
"""What the back end gets of an order."""


async def bare(scope: Any, receive: Any, send: Any) -> None:
    """The least app: a constant answer."""
    await send({"type": "http.response.start", "status": 200, "headers": _HEADERS})
    await send(_ANSWER)


async def echo(scope: Any, receive: Any, send: Any) -> None:
    """Answers with the body it got."""
    body, more = b"", True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return
        body += message.get("body", b"")
        more = message.get("more_body", False)
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


_HEADERS: Final = [(b"content-type", b"application/json"), (b"content-length", b"15")]
_ANSWER: Final = {"type": "http.response.body", "body": b'{"hello":"you"}'}
