"""Pure decisions and languages: values in, values out. No I/O, clock, randomness, logging or ASGI."""
