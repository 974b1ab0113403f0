"""A TCP proxy in front of a server, for the faults of wires: cut, reset, or frozen with everything left open."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Self

BLOCK = 64 * 2**10
NO_LINGER = struct.pack("ii", 1, 0)  # close() then resets instead of saying goodbye


class Proxy:
    def __init__(self, port: int) -> None:
        self._behind, self.port = port, 0
        self._flows = asyncio.Event()
        self._flows.set()
        self._ends: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.links = 0  # how many there ever were
        self.cuts: list[int] = []  # after so many bytes to the server, each counted from the last, every link is reset
        self.refuses = False  # whoever comes is sent away
        self.refused = asyncio.Event()
        self._passed = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._server.close()
        self.reset()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def through(self, url: str) -> str:
        """*url* with its server behind this proxy."""
        return url.replace(f":{self._behind}/", f":{self.port}/")

    def freeze(self) -> None:
        """Nothing gets through any more, and nobody is told: what a pulled cable looks like."""
        self._flows.clear()

    def thaw(self) -> None:
        self._flows.set()

    def cut(self) -> None:
        """Every link ends politely."""
        for end in self._ends:
            end.close()

    def reset(self) -> None:
        """Every link ends with a reset."""
        for end in self._ends:
            plain = end.get_extra_info("socket")
            if plain is not None and plain.fileno() >= 0:  # the other end may have closed it a moment ago
                plain.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, NO_LINGER)
            end.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.links += 1
        if self.refuses:
            writer.close()
            self.refused.set()
            return
        try:
            behind = await asyncio.open_connection("127.0.0.1", self._behind)
        except OSError:
            writer.close()
            return
        self._ends |= {writer, behind[1]}
        ways = self._pump(reader, behind[1], counted=True), self._pump(behind[0], writer)
        pumps = [asyncio.create_task(way) for way in ways]
        self._tasks.update(pumps)
        await asyncio.gather(*pumps, return_exceptions=True)
        self._ends -= {writer, behind[1]}
        self._tasks.difference_update(pumps)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, *, counted: bool = False) -> None:
        try:
            while block := await reader.read(BLOCK):
                await self._flows.wait()
                writer.write(block)
                await writer.drain()
                if counted:
                    self._count(len(block))
        except OSError:
            pass
        finally:
            writer.close()

    def _count(self, size: int) -> None:
        self._passed += size
        if self.cuts and self._passed >= self.cuts[0]:
            self._passed -= self.cuts.pop(0)
            self.reset()
