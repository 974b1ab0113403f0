"""The web pages: what they show, and what they load."""
