"""Jina's wire form of rerank, which is Cohere's v1 form too."""
