"""How front and core are joined: in one process (LocalChannel), or over gRPC."""
