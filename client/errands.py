"""What the commands do: submit a table, follow a job to its end, show and save what came out."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from pydantic import TypeAdapter

from client import api, exits, screen, uploads
from client.exits import Usage
from protocol.job import ID, Job
from protocol.kinds import KindInfo


@dataclass(frozen=True)
class Asked:
    """A job as it was typed. Where it `amends` another, those are that one's id and what the file holds."""

    file: Path | None  # none where parameters stand in for it
    kind: str | None = None
    params: Sequence[str] = ()
    emails: Sequence[str] = ()
    webhooks: Sequence[str] = ()
    priority: str = "normal"
    reading: Mapping[str, str | bool | None] = field(default_factory=dict)
    columns: Sequence[str] = ()
    amends: tuple[str, Literal["repairs", "additions"]] | None = None

    def upload(self) -> uploads.Upload:
        if self.file is None and not self.params:
            raise Usage("name a FILE, or with -p the parameters that stand in for one")
        if self.file not in {None, uploads.STDIN} and not Path(self.file or "").is_file():
            raise Usage(f"{self.file} is no file")
        return uploads.Upload(
            path=self.file,
            to=self._to(),
            kind=self.kind,
            params=uploads.parse_params(self.params),
            reading=self._reading(),
            emails=tuple(self.emails),
            webhooks=tuple(self.webhooks),
            priority=self.priority,
        )

    def _reading(self) -> dict[str, Any]:
        declared: dict[str, Any] = {name: value for name, value in self.reading.items() if value is not None}
        columns = uploads.parse_columns(self.columns)
        return declared | ({"columns": columns} if columns else {})

    def _to(self) -> str:
        if self.amends is None:
            return "/v1/jobs"
        job_id, what = self.amends
        check_id(job_id)
        return f"/v1/jobs/{job_id}/{what}"


@dataclass(frozen=True)
class Wishes:
    """How much of the job's life the caller wants to see."""

    watch: bool = False
    wait: bool = False
    out: Path | None = None
    as_json: bool = False


async def submit(server: str, key_file: Path | None, asked: Asked, wishes: Wishes) -> int:
    upload = asked.upload()
    make_folder(wishes.out)
    async with connect(server, key_file) as there:
        with screen.uploading(upload.name, upload.size) as sent:
            job = await there.submit(upload, sent)
        if not wishes.watch and not wishes.wait:
            print_json(job) if wishes.as_json else screen.accepted(job, page(there, job))
            return exits.of(job)
        try:
            return await follow(there, job.id, wishes)
        except (asyncio.CancelledError, exits.Unreachable):
            screen.note(f"The job goes on without you; rowmill watch {job.id} looks at it again.")
            raise


async def watch(server: str, key_file: Path | None, job_id: str, wishes: Wishes) -> int:
    check_id(job_id)
    make_folder(wishes.out)
    async with connect(server, key_file) as there:
        return await follow(there, job_id, wishes)


async def kinds(server: str, key_file: Path | None, *, as_json: bool) -> int:
    async with connect(server, key_file) as there:
        offered = await there.kinds()
    if as_json:
        sys.stdout.write(TypeAdapter(tuple[KindInfo, ...]).dump_json(offered).decode() + "\n")
    else:
        screen.kinds(offered)
    return exits.Exit.SUCCEEDED


async def follow(there: api.Api, job_id: str, wishes: Wishes) -> int:
    """Show a job until it is final, then what came out; the exit code says how it ended."""
    job = await last(there, job_id, wishes)
    if not wishes.as_json:
        screen.show(job, page(there, job))
    elif not wishes.watch:
        print_json(job)
    if wishes.out:
        await save(there, job, wishes.out)
    return exits.of(job)


async def last(there: api.Api, job_id: str, wishes: Wishes) -> Job:
    """Follow a job to its last version."""
    with screen.following() if wishes.watch else nullcontext(lambda _job: None) as seen:
        async for job in there.watch(job_id):
            seen(job)
            if wishes.watch and wishes.as_json:
                print_json(job)
    return job


async def save(there: api.Api, job: Job, folder: Path) -> None:
    for artefact in job.artefacts:
        path = await there.download(artefact, folder)
        screen.note(f"saved {path} ({artefact.size:,} bytes)")


def check_id(job_id: str) -> None:
    if not ID.fullmatch(job_id):
        raise Usage(f"{job_id} is no job id: that is 32 hexadecimal digits")


def make_folder(path: Path | None) -> None:
    """Before anything is sent: a folder that cannot be made should not cost an upload."""
    if path:
        path.mkdir(parents=True, exist_ok=True)


def page(there: api.Api, job: Job) -> str:
    return f"{there.server}/jobs/{job.id}"


def print_json(job: Job) -> None:
    sys.stdout.write(job.model_dump_json() + "\n")
    sys.stdout.flush()


def connect(server: str, key_file: Path | None) -> AbstractAsyncContextManager[api.Api]:
    return api.connect(server, api.key_in(key_file))
