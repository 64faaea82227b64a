"""Files fetched by address: the guard, and attacks on it."""
