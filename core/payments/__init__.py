"""Payment providers: what is sent to them, what they say, and how their word is proved. Pure: no I/O, no clock."""
