"""What a server runs: `uvicorn shop.asgi:application`."""

import os

from gatewaykit.gateway.django import get_asgi_application

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "shop.settings")

application = get_asgi_application()
