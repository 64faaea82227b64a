"""How fast callers may go: requests and tokens per minute, requests at once."""
