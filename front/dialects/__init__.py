"""Dialects: HTTP bodies to canonical messages and back. Pure."""
