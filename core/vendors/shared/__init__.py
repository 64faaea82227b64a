"""What wire forms share: JSON in bytes, events, overrides, headers, error answers."""
