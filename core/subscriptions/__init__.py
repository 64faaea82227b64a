"""Subscriptions: when they end, when their periods begin, and which purse pays first. Pure: no I/O, no clock."""
