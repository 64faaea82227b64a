"""Client of the Isthmus gateway: generated stubs in isthmus.v1, a typed face in isthmus.client."""
