"""Whoever is told of a job's end: mails and webhooks, put into their boxes with the end itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from consumer.mails import mailbox
from consumer.mails.mailbox import Mailbox
from consumer.webhooks import box
from consumer.webhooks.box import Box
from protocol.databases import Transaction
from protocol.job import Job

MIGRATIONS = {"mail": mailbox.MIGRATIONS, "webhooks": box.MIGRATIONS}


@dataclass(frozen=True)
class Notices:
    mails: Mailbox
    hooks: Box

    def enqueue(self, tx: Transaction, job: Job) -> Job:
        """The job, which has just ended, with what will be told of that."""
        return job.model_copy(update={"mail": self.mails.enqueue(tx, job), "webhooks": self.hooks.enqueue(tx, job)})


def shown(tx: Transaction, job: Job) -> Mapping[str, Any]:
    """How telling of the job's latest end stands, as its fields."""
    return {"mail": mailbox.states(tx, job), "webhooks": box.states(tx, job.id)}


def forget(tx: Transaction, job_id: str) -> None:
    mailbox.forget(tx, job_id)
    box.forget(tx, job_id)
