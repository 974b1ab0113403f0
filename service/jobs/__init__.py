"""The calls about jobs that exist: to look, to watch, to download, to cancel."""
