"""Vendors: pure encoders and decoders of wire forms, and tables of facts."""
