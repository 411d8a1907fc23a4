"""Declarative steps on headers, queries and bodies: what `transform(...)` does, as values in and values out."""
