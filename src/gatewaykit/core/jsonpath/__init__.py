"""JSONPath as Jayway's Java library reads it: what `$input.path`, `$input.json` and body mappings use."""

from gatewaykit.core.jsonpath.path import Path, PathProblem, compile_path
from gatewaykit.core.jsonpath.steps import MISSING, TooMuch

__all__ = ["MISSING", "Path", "PathProblem", "TooMuch", "compile_path"]
