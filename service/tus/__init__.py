"""Uploads that are resumed where they broke off: the tus protocol 1.0, and the job at the end of each."""
