"""A Django project with a GATEWAYKIT setting beside Django's own."""

from gatewaykit import api_key, by, cors, rule, throttle

KEYS = {"acme": "acme-key-for-local-use"}

GATEWAYKIT = {
    "trusted_proxies": ["10.0.0.0/8"],
    "policies": [
        cors(origins=["https://shop.example"]),
        rule("POST /login", throttle(rate="5/minute", burst=2, key=by.address)),
        rule("/items/{proxy+}", api_key(KEYS), throttle(rate=100, burst=200, key=by.api_key)),
    ],
}

MIDDLEWARE = ["gatewaykit.gateway.django.GatewaykitMiddleware"]  # request.gatewaykit
ROOT_URLCONF = "shop.urls"
ALLOWED_HOSTS = ["127.0.0.1", "localhost"]
SECRET_KEY = "for local use only"
