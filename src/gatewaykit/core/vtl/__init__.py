"""The template language of API Gateway: Apache Velocity 1.7, where what is undefined renders as the empty string."""

from gatewaykit.core.vtl.java_regex import compile_java_regex
from gatewaykit.core.vtl.template import Template, TemplateFailure, TemplateProblem, compile_template

__all__ = ["Template", "TemplateFailure", "TemplateProblem", "compile_java_regex", "compile_template"]
