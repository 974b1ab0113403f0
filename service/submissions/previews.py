"""POST /v1/preview: the beginning of a table as a job would read it. Makes no job and stores nothing."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

from aiohttp import web

from protocol.intake import BadTable, ReadOptions, preview
from protocol.intake.preview import Preview
from protocol.intake.unpacking import Unpacker
from service.expectations import invite
from service.jobs.api import answer_json
from service.problems import Refused, refuse_faults
from service.submissions import reception, submitting
from service.submissions.reception import Received
from service.submissions.uploads import Upload
from service.wiring import SERVICE, Service


@dataclass
class Head:
    """Where a piece of a table is kept while it is looked at."""

    data: bytearray = field(default_factory=bytearray)
    table: bytes = b""  # unpacked

    @property
    def whole(self) -> bool:
        """A piece as long as it may be is taken for the beginning of a longer one."""
        return len(self.data) < preview.MOST > len(self.table)

    async def store(self, blocks: AsyncIterator[bytes], name: str, options: ReadOptions | None) -> Upload:
        async for block in blocks:
            self.data += block
            if len(self.data) > preview.MOST:
                raise Refused("too_large", f"Send the first {preview.MOST:,} bytes of the table.")
        try:
            self.table = await asyncio.to_thread(Unpacker().unpack_some, bytes(self.data), preview.MOST)
        except BadTable as bad:
            raise submitting.refuse_table(bad, bad.faults) from None
        options = options or ReadOptions()
        verdict = preview.look(self.table, options, name, whole=self.whole)
        return Upload(name, len(self.data), hashlib.sha256(self.data).hexdigest(), options, verdict)


async def show(request: web.Request) -> web.Response:
    service, head = request.app[SERVICE], Head()
    async with service.slots.one():
        await invite(request)
        received = await reception.receive(request, head.store, service.limits, service.offers.kinds())
    found = _look(service, received, head)
    return answer_json(found.model_dump_json(), headers={"Cache-Control": "no-store"})


def _look(service: Service, received: Received, head: Head) -> Preview:
    upload = submitting.file_of(received)
    wanted = submitting.judge(service, received.fields, upload.name)
    if wanted.faults:
        raise refuse_faults(wanted.faults)
    options = reception.options_of(wanted.params, wanted.kind, wanted.reading)
    return preview.preview(head.table, options, wanted.name, wanted.kind, wanted.params, whole=head.whole)
