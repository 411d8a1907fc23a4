"""A Flask app, served by an ASGI server behind policies. Run it with `uvicorn app:application`."""

from flask import Flask, jsonify, request
from flask.typing import ResponseReturnValue

from gatewaykit import PolicyMiddleware, api_key, by, cors, rule, throttle, wsgi_app

KEYS = {"acme": "acme-key-for-local-use"}

app = Flask(__name__)


@app.get("/items/<int:id>")
def item(id: int) -> ResponseReturnValue:
    caller = request.environ["gatewaykit"].identity
    return jsonify({"id": id, "seen by": caller.principal})


@app.post("/login")
def login() -> ResponseReturnValue:
    return jsonify({"token": "..."})


application = PolicyMiddleware(
    wsgi_app(app),
    policies=[
        cors(origins=["https://shop.example"]),
        rule("POST /login", throttle(rate="5/minute", burst=2, key=by.address)),
        rule("/items/{proxy+}", api_key(KEYS), throttle(rate=100, burst=200, key=by.api_key)),
    ],
)
