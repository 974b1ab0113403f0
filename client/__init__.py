"""Speaks the public HTTP API, as any other program would."""
