"""One request, one direction: authenticate, admit, plan, reserve, attempt, settle."""
