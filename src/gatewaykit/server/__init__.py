"""Serving over HTTP: uvicorn, with protocol classes of our own."""
