"""Credentials that need a clock or a call: the step between encoding a request and sending it."""
