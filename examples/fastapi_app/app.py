"""A FastAPI app behind policies. Run it with `uvicorn app:app`."""

from typing import Annotated

from fastapi import Depends, FastAPI, WebSocket
from pydantic import BaseModel

from gatewaykit import Identity, PolicyMiddleware, api_key, by, cors, identity, rule, throttle, validate

KEYS = {"acme": "acme-key-for-local-use", "globex": "globex-key-for-local-use"}
ORDER = {"type": "object", "required": ["sku"], "properties": {"sku": {"type": "string"}}}

app = FastAPI(title="Shop")
app.add_middleware(
    PolicyMiddleware,
    policies=[
        cors(origins=["https://shop.example"]),
        rule("POST /login", throttle(rate="5/minute", burst=2, key=by.address)),
        rule("/items/{proxy+}", api_key(KEYS), throttle(rate=10, burst=3, key=by.api_key)),
        rule("POST /items/{id}/orders", validate(parameters=["header.idempotency-key"], body=ORDER)),
        rule("/prices", api_key(KEYS)),
    ],
)

Caller = Annotated[Identity, Depends(identity)]


class Order(BaseModel):
    sku: str


@app.get("/items/{id}")
async def item(id: int, caller: Caller) -> dict[str, object]:
    return {"id": id, "seen by": caller.principal}


@app.post("/items/{id}/orders", status_code=201)
async def order(id: int, wanted: Order, caller: Caller) -> dict[str, object]:
    return {"item": id, "sku": wanted.sku, "for": caller.principal}


@app.post("/login")
async def login() -> dict[str, str]:
    return {"token": "…"}


@app.websocket("/prices")
async def prices(socket: WebSocket, caller: Caller) -> None:
    await socket.accept()
    await socket.send_json({"price": 42, "for": caller.principal})
    await socket.close()
