"""The runner: drives policy hooks around an endpoint. It knows no ASGI."""
