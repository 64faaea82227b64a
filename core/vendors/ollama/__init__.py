"""Ollama's own wire forms: chat, generate, embed. Streams are lines of JSON."""
