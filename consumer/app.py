"""The consumer as a whole: its parts, wired, and its run from start to stop."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack

from consumer import native
from consumer.batching import Batching
from consumer.errands.office import Office
from consumer.executors import Slot, open_slots
from consumer.mailers import open_sender
from consumer.mails.mailbox import Mailbox
from consumer.mails.mailer import Mailer
from consumer.measuring import measure
from consumer.metrics import Metrics
from consumer.mill import Mill
from consumer.rendering import Renderer
from consumer.sharing import Sharing
from consumer.store import ConsumerStore
from consumer.submissions.acceptance import Rules
from consumer.submissions.reception import Submissions
from consumer.submissions.store import SubmissionStore
from consumer.webhooks.box import Box
from consumer.webhooks.calling import Caller
from consumer.worker import Limits, Worker
from protocol.config import Settings, trusted
from protocol.databases import Database
from protocol.databases.identity import identify
from protocol.files import Files
from protocol.intake import prepare
from protocol.metrics import Registry
from protocol.records import check_url
from protocol.signing import load_signer, webhook_keys
from protocol.transports import Transport

log = logging.getLogger(__name__)


async def run(
    settings: Settings,
    database: Database,
    files: Files,
    transport: Transport,
    *,
    stop: asyncio.Event,
    registry: Registry | None = None,
    slots: Sequence[Slot] | None = None,
) -> None:
    """Run jobs until *stop* is set; then finish or checkpoint what runs and return, with no process left.

    Unless *slots* are lent to it, it opens as many as the settings say.
    """
    metrics = Metrics(registry)
    check_url(settings.records_url)
    mails, hooks = Mailbox(settings.mail_from), Box(settings.webhook_url)
    store = ConsumerStore(database, mails, hooks)
    await store.prepare()
    mailer = make_mailer(settings, database, files, store, mails)
    terms, nice = f"?memory={settings.worker_memory}&native={settings.native:d}", settings.worker_nice
    async with AsyncExitStack() as stack:
        if slots is None:
            slots = await stack.enter_async_context(open_slots(f"processes://{settings.workers}{terms}&nice={nice}"))
        renderer = None
        if settings.charts:  # it gets ready while tables are read, whose time left is reckoned from how fast that goes
            [spare] = await stack.enter_async_context(open_slots(f"processes://1{terms}&lazy=1&nice={nice + 10}"))
            renderer = Renderer(spare)
        sizes = (files.url, settings.chunk_size, settings.chunk_timeout)
        office, sharing = Office(database, settings), Sharing(slots)
        batching = _make_batching(settings, sharing, metrics)
        mill = Mill(store, office, sharing, batching, renderer, *sizes, settings.records_url, metrics=metrics)
        limits = Limits(settings.job_timeout, settings.retry_delay, settings.grace)
        submissions = Submissions(SubmissionStore(database, store), files, _make_rules(settings), metrics)
        worker = Worker(transport, files, mill, submissions, limits, identity=await identify(database))
        async with asyncio.TaskGroup() as group:
            chores = [
                group.create_task(store.outbox.relay(transport), name="consumer relay"),
                group.create_task(mailer.run(), name="mailer"),
                group.create_task(batching.run(), name="small jobs"),
                group.create_task(make_caller(settings, database, store, hooks).run(), name="webhooks"),
                group.create_task(measure(metrics, store, database), name="metrics"),
                group.create_task(asyncio.to_thread(prepare), name="intake"),
            ]
            if renderer:
                chores.append(group.create_task(renderer.run(), name="renderer"))
            working = group.create_task(worker.run(), name="worker")
            compiled = settings.native and native.is_there()
            log.info("consumer takes jobs", extra={"action": "ready", "slots": len(slots), "compiled": compiled})
            await stop.wait()
            worker.stop()
            await working
            for chore in chores:
                chore.cancel()


def _make_batching(settings: Settings, sharing: Sharing, metrics: Metrics) -> Batching:
    largest = min(settings.quick_size, settings.chunk_size)
    return Batching(sharing, largest=largest, limit=settings.chunk_timeout, metrics=metrics)


def _make_rules(settings: Settings) -> Rules:
    most = (settings.max_upload, settings.max_attempts)
    return Rules(settings.sources, *most, disk_floor=settings.disk_floor, hosts=trusted(settings))


def make_mailer(settings: Settings, database: Database, files: Files, store: ConsumerStore, mails: Mailbox) -> Mailer:
    sender = open_sender(settings.mail_url)
    return Mailer(
        database,
        files,
        sender,
        mails,
        changed=store.told,
        public_url=settings.public_url,
        signer=load_signer(settings),
    )


def make_caller(settings: Settings, database: Database, store: ConsumerStore, hooks: Box) -> Caller:
    keys, hosts = webhook_keys(settings), trusted(settings)
    return Caller(database, hooks, keys, changed=store.told, trusted=hosts)
