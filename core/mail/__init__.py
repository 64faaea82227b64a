"""Mail: composed here, sent by the operator's SMTP server, never in a request."""
