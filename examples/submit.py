"""Another service hands Rowmill a table and awaits the answers. It needs aio-pika and nothing of Rowmill's.

usage: python submit.py table.csv kind    (AMQP_URL says where the broker is)
"""

import asyncio
import json
import os
import sys
import uuid
from pathlib import Path

import aio_pika


async def main(path: Path, kind: str) -> None:
    async with await aio_pika.connect(os.environ.get("AMQP_URL", "amqp://guest:guest@localhost/")) as connection:
        channel = await connection.channel(on_return_raises=True)
        replies = await channel.declare_queue(exclusive=True)
        message = aio_pika.Message(
            path.read_bytes(),
            content_type="text/csv",
            headers={"kind": kind, "filename": path.name},
            message_id=uuid.uuid4().hex,  # sent twice, it still is one job
            reply_to=replies.name,
            correlation_id=path.name,
            delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
        )
        exchange = await channel.get_exchange("rowmill", ensure=False)
        await exchange.publish(message, "job.submit", mandatory=True)
        async with replies.iterator(no_ack=True) as answers:
            async for answer in answers:
                what, data = answer.type, json.loads(answer.body)["data"]
                print(what, data.get("detail") or (data.get("report") or {}).get("headline", data.get("id")))
                if what != "rowmill.job.accepted.v1":
                    sys.exit(what != "rowmill.job.succeeded.v1")


asyncio.run(main(Path(sys.argv[1]), sys.argv[2]))
