"""Ali's DashScope, where it has a form of its own."""
