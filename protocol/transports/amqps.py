"""amqps://user:password@host:5671/vhost?cafile=/path/to/ca.pem - the same conversation, in TLS from its first byte."""

from protocol.transports.amqp import connect, examine

__all__ = ["connect", "examine"]
