"""The contract of HTTP and of messages, as data: calls, and the documents made of them."""
