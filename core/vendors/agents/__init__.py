"""Platforms whose agents are asked by their own APIs, always as streams: Dify, Coze."""
