"""The same job as the peers' documentation would have it written, for comparison."""
