"""Which uploads are being received, each by one request, and how far those were looked at that go on in another."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from aiohttp import StreamReader

from protocol.intake import ReadOptions
from service.problems import Refused
from service.submissions.examining import Examination
from service.tus.parcels import Parcel

WATCHED = 64  # uploads that are looked at from one request to the next


@dataclass
class Hold:
    """One request has the upload for itself; whoever wants it may have its bytes end."""

    content: StreamReader
    gone: asyncio.Event = field(default_factory=asyncio.Event)


class Holds:
    def __init__(self) -> None:
        self._held: dict[str, Hold] = {}
        self._watched: OrderedDict[str, Examination] = OrderedDict()

    @contextmanager
    def hold(self, parcel_id: str, content: StreamReader) -> Iterator[None]:
        if parcel_id in self._held:
            raise locked()
        self._held[parcel_id] = hold = Hold(content)
        try:
            yield
        finally:
            del self._held[parcel_id]
            hold.gone.set()

    def __contains__(self, parcel_id: str) -> bool:
        return parcel_id in self._held

    async def free(self, parcel_id: str, patience: float) -> None:
        """Have the request that holds the upload end with what came so far: its client has come back."""
        if hold := self._held.get(parcel_id):
            hold.content.set_exception(ConnectionResetError("the client goes on in another request"))
            try:
                await asyncio.wait_for(hold.gone.wait(), patience)
            except TimeoutError:
                raise locked() from None

    def examination(self, parcel: Parcel, options: ReadOptions, name: str) -> Examination | None:
        """One that has seen all before the parcel's offset. Without one, all is looked at when everything is there."""
        seen = self._watched.pop(parcel.id, None) or Examination(name, options, packed=True)
        return seen if seen.size == parcel.received else None

    def keep(self, parcel_id: str, examination: Examination) -> None:
        self._watched[parcel_id] = examination
        while len(self._watched) > WATCHED:
            self._watched.popitem(last=False)

    def forget(self, parcel_id: str) -> None:
        self._watched.pop(parcel_id, None)


def locked() -> Refused:
    return Refused("locked", "Another request sends this upload.", headers={"Retry-After": "1"})
