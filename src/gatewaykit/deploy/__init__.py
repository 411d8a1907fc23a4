"""Definitions and policies to compiled chains. The only place, with `gateway`, that names concrete stores."""
