"""The steps of a request, apart from their neighbours."""
