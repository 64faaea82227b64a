"""The servicers, one file per proto service: they read metadata, call, and map errors."""
