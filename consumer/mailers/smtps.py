"""smtps://user:password@host:port - the same conversation, in TLS from its first byte."""

from consumer.mailers.smtp import connect

__all__ = ["connect"]
