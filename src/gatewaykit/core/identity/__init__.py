"""Who is calling: what to read from a request, and what it proves. Pure."""
