"""Takes a database of New API over: read there, put into ours, nothing lost silently."""
