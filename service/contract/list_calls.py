"""The calls about many jobs, as data: the list, and what is done to all that it shows."""

from __future__ import annotations

from protocol.job import State
from service.contract.call import ID, JSON, STORING, TEXT, Call, Need, Parameter, ref
from service.jobs.bulk import Action

KIND = Parameter("kind", "query", "Only this kind; repeat it or use commas for several.", TEXT, repeats=True)
STATE = Parameter(
    "state",
    "query",
    "Only this state; repeat it or use commas for several.",
    {"type": "string", "enum": [*State]},
    repeats=True,
)
WHEN = "a time with its zone, or a span back from now such as `7d` or `12h`"
FILTERS = (
    STATE,
    KIND,
    Parameter("q", "query", "Words that stand in the file's name or the job's id, whatever their case.", TEXT),
    Parameter("since", "query", f"Submitted no earlier: {WHEN}.", TEXT),
    Parameter("until", "query", f"Submitted no later: {WHEN}.", TEXT),
)
CURSOR = Parameter("cursor", "query", "From `next`.", TEXT)
LIST = Call(
    "get",
    "/v1/jobs",
    "List jobs",
    "Newest first; follow `next` (or the `Link` header) for older ones.",
    {200: ("Some jobs.", JSON, ref("Jobs"))},
    ["bad_parameter"],
    (
        *FILTERS,
        Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        CURSOR,
    ),
)
BULK = Call(
    "post",
    "/v1/bulk",
    "Act on all jobs of a list",
    "Does it to 200 jobs that match and for which it is legal, the newest first; follow `next` with another POST while "
    "there is one. Count first with `dry_run=true`, and pass on its `until` to leave out jobs that came later.",
    {
        200: ("With `dry_run=true`: how many it would be done to.", JSON, ref("Bulk")),
        202: ("Done, or asked of the consumer.", JSON, ref("Bulk")),
    },
    ["bad_parameter", *STORING],
    (
        Parameter("action", "query", "What to do.", {"type": "string", "enum": [*Action]}, required=True),
        *FILTERS,
        Parameter("dry_run", "query", "Only count.", {"type": "boolean", "default": False}),
        CURSOR,
    ),
    need=Need.SUBMIT,
)
REJECTS = Call(
    "get",
    "/v1/jobs/{id}/rejects",
    "List the rows left out",
    "In the order of the file, each as its line, the reason and its cells; while the job runs, those of the chunks "
    "that are done. A request looks at 8 MiB of them at most, so a page of a search may be short or empty; follow "
    "`next` while there is one.",
    {200: ("Some rows.", JSON, ref("Rejects"))},
    ["no_such_job", "no_such_artefact", "gone", "bad_parameter"],
    (
        ID,
        Parameter("q", "query", "Text that stands in the row, its line or the reason, whatever its case.", TEXT),
        Parameter("after", "query", "Only rows behind this line.", {"type": "integer", "minimum": 0}),
        Parameter("reason", "query", "Left out for exactly this, such as `revenue: missing`.", TEXT),
        Parameter("limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": 200, "default": 50}),
        CURSOR,
    ),
)
