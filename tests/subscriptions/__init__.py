"""Subscriptions: periods, and which purse pays."""
