"""The web pages: all jobs with the form for a new one, and one job as a report. They render what the store holds;
everything that happens after that goes through the public API."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Handler
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from protocol.job import Job, Problem
from protocol.kinds import KindInfo
from protocol.submission import DEFAULT_KIND
from service.door.caller import CALLER, NOBODY
from service.door.guard import wants_page
from service.door.recognition import keep_link
from service.jobs import rejects
from service.jobs.api import find
from service.jobs.rejects import Wanted
from service.pages import wording
from service.pages.assets import Assets, add_assets
from service.pages.filters import PERIODS, STATES, read_filters
from service.pages.forms import Form, form_of
from service.problems import PROBLEM, Refused
from service.submissions import amendments, submitting
from service.wiring import SERVICE, Service

HERE = Path(__file__).parent
PER_PAGE = 30
AMEND = {"repairs": amendments.repair, "additions": amendments.append}
UNSENT = frozenset({"pending", "sending"})
NEVER = {"Cache-Control": "no-store"}


@dataclass(frozen=True)
class Pages:
    """What all pages share: the templates, and what is served beside them."""

    templates: Environment
    assets: Assets

    def answer(self, request: web.Request, template: str, status: int = 200, **values: Any) -> web.Response:
        caller = request.get(CALLER, NOBODY)  # nobody where the guard turned the request away
        text = self.templates.get_template(template).render(vega=self.assets.vega, caller=caller, **values)
        return web.Response(text=text, status=status, content_type="text/html", headers=NEVER)

    def refuse(self, request: web.Request, problem: Problem) -> web.Response:
        """In place of a page that there is not."""
        return self.answer(request, "missing.html", problem.status, title=problem.title, detail=problem.detail)


PAGES = web.AppKey("pages", Pages)


def add_pages(app: web.Application) -> None:
    """Add the pages and what they load. Handlers find the service under SERVICE."""
    assets = add_assets(app)
    app[PAGES] = Pages(load_templates(assets), assets)
    app.router.add_get("/", show_jobs)
    app.router.add_post("/jobs", take_form)
    app.router.add_get("/jobs/{id}", show_job)
    app.router.add_post("/jobs/{id}/{what:repairs|additions}", take_rows)


@web.middleware
async def tell_people(request: web.Request, handler: Handler) -> web.StreamResponse:
    """A problem that a browser would show as JSON becomes a page; whoever calls the API gets it as it is."""
    response = await handler(request)
    problem = response.get(PROBLEM)
    if problem is None or request.path.startswith("/v1/") or not wants_page(request):
        return response
    return request.app[PAGES].refuse(request, problem)


def load_templates(assets: Assets) -> Environment:
    templates = Environment(
        loader=FileSystemLoader(HERE / "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    templates.filters.update(wording.FILTERS)
    templates.globals.update(static=assets.address, needs=needs, stand_in=stand_in)
    return templates


def needs(kind: KindInfo) -> str:
    """The columns a kind needs, for the script, which knows what was answered."""
    return json.dumps([{"name": column.name, "param": column.param} for column in kind.columns])


def stand_in(kind: KindInfo) -> str:
    """The parameters that spare a table, for the script."""
    return json.dumps(kind.stands_in)


async def show_jobs(request: web.Request) -> web.Response:
    return await _show_jobs(request)


async def take_form(request: web.Request) -> web.Response:
    """The form as a browser without scripts sends it: the public call, answered with a page."""
    try:
        accepted = await submitting.submit(request)
    except Refused as refused:
        return await _show_jobs(request, refused.problem)
    raise web.HTTPSeeOther(accepted.headers["Location"].removeprefix("/v1"))


async def _show_jobs(request: web.Request, problem: Problem | None = None) -> web.Response:
    service, pages = request.app[SERVICE], request.app[PAGES]
    kinds = service.offers.kinds()
    filters = read_filters(request.query, kinds)
    query = filters.query(service.clock(), request.query.get("after", ""), PER_PAGE + 1)
    rows = await service.store.newest(replace(query, owner=request[CALLER].only))
    return pages.answer(
        request,
        "index.html",
        problem.status if problem else 200,
        problem=problem,
        jobs=[Job.model_validate_json(row["body"]) for row in rows[:PER_PAGE]],
        next=filters.behind(rows[PER_PAGE - 1]) if len(rows) > PER_PAGE else None,
        later=query.after is not None,
        filters=filters,
        states=STATES,
        periods=PERIODS,
        forms=_forms(kinds.values()),
        titles={name: kind.title for name, kind in kinds.items()},
        chosen=_chosen(filters.kind or DEFAULT_KIND, list(kinds)),
        max_upload=service.settings.max_upload,
    )


def _forms(kinds: Any) -> list[Form]:
    return [form_of(kind) for kind in kinds]


def _chosen(wanted: str, names: Sequence[str]) -> str:
    return wanted if wanted in names or not names else names[0]


async def show_job(request: web.Request) -> web.Response:
    return await _show_job(request, {})


async def take_rows(request: web.Request) -> web.Response:
    """Rows to merge into a result, as a browser without scripts sends them: the public call, answered with a page."""
    what = request.match_info["what"]
    try:
        accepted = await AMEND[what](request)
    except Refused as refused:
        return await _show_job(request, {what: refused.problem})
    raise web.HTTPSeeOther(accepted.headers["Location"].removeprefix("/v1"))


async def _show_job(request: web.Request, problems: Mapping[str, Problem]) -> web.Response:
    """*problems* are those of rows that were sent here, by what they were."""
    service, pages = request.app[SERVICE], request.app[PAGES]
    try:
        job = (await find(service, request)).job()
    except Refused as refused:
        return pages.refuse(request, refused.problem)
    kind = service.offers.kinds().get(job.kind)
    response = pages.answer(
        request,
        "job.html",
        next((problem.status for problem in problems.values()), 200),
        job=job,
        problems=problems,
        kind=kind,
        labels=_labels(kind),
        so_far=await _rejects_so_far(service, job),
        unsettled=not job.final or any(mail.state in UNSENT for mail in job.mail),
    )
    keep_link(request, response)
    return response


async def _rejects_so_far(service: Service, job: Job) -> rejects.Page | None:
    """The first rows that an unfinished job has left out; its report does not list them yet."""
    if job.final or not job.progress.rows_rejected:
        return None
    try:
        return await rejects.read(service, job, Wanted())
    except Refused:  # it has ended just now
        return None


def _labels(kind: KindInfo | None) -> dict[str, str]:
    """What the form called each parameter."""
    form = form_of(kind) if kind else None
    return {field.name: field.label for field in (*form.own, *form.reading)} if form else {}
