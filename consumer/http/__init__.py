"""The consumer as one who asks over HTTP: for tables, for answers, and at webhooks."""
