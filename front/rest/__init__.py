"""New API's management routes: paths, payloads and replies as its clients know them."""
