"""JSONPath as Jayway's Java library reads it: what `$input.path`, `$input.json` and body mappings use."""

from gatewaykit.core.jsonpath.path import MISSING, Path, PathProblem, compile_path

__all__ = ["MISSING", "Path", "PathProblem", "compile_path"]
