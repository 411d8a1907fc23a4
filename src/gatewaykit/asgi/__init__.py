"""The shell: the only code that knows ASGI."""
