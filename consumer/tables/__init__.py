"""The reader: surveys a table, cuts it at row boundaries, and reads its chunks into clean frames. Runs in the pool."""
