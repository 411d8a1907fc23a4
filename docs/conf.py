"""How the documentation is built: `make docs` writes docs/_build/html, and a warning is an error."""

import re
from pathlib import Path

_PACKAGE = Path(__file__).parent.parent / "src" / "gatewaykit" / "__init__.py"

project = "gatewaykit"
author = "The gatewaykit authors"
copyright = author
release = version = re.findall(r'^__version__ = "(.+)"$', _PACKAGE.read_text("utf-8"), re.MULTILINE)[0]

extensions = ["myst_parser"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
exclude_patterns = ["_build"]
nitpicky = True

html_theme = "furo"
html_title = f"gatewaykit {release}"
html_copy_source = False
html_static_path = ["_static"]
html_css_files = ["width.css"]
