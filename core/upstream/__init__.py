"""HTTP to the vendors, behind one small interface."""
