"""What both sides agree on: the job, the messages, and the ports. Knows neither side."""
