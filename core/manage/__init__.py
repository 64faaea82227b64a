"""Accounts, keys, channels, options, logs: what the management services do."""
