"""Webhooks: signed requests that tell other programs how a job ended, each until somebody has taken it."""
