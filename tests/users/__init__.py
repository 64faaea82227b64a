"""Programs of the gateway's users, written with the libraries they use."""
