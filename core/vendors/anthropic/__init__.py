"""Anthropic's wire form: Messages."""
