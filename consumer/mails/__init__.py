"""Mails about jobs: what they say, which are due, and how they go out."""
