"""Jobs that other services ask for by message."""
