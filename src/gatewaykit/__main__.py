"""`python -m gatewaykit`."""

import sys

from gatewaykit.cli import main

sys.exit(main())
