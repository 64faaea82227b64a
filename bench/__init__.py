"""Benches: the gateway beside its limits."""
