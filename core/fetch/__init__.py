"""Files that clients name by address, fetched for vendors that want bytes: behind a guard, within limits."""
