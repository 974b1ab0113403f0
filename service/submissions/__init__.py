"""From a request with a table to a stored job, or to one answer with everything that is wrong."""
