"""The calls beside the jobs: the records, the contracts, and what operators and their machines ask."""

from __future__ import annotations

from service.contract.call import JSON, STORING, TEXT, Call, Need, Parameter, ref

UPKEEP = (
    Call(
        "get",
        "/v1/records/{table}",
        "Look at the records",
        "Rows that kinds have loaded, by their key; follow `next` (or the `Link` header) for later ones. A table is "
        "there once a kind says that it loads it; before anything is loaded it has no rows.",
        {200: ("Some rows.", JSON, ref("Records"))},
        ["bad_parameter", "no_such_table", "records_unavailable"],
        (
            Parameter("table", "path", "The table's name.", TEXT, required=True),
            Parameter(
                "limit", "query", "How many.", {"type": "integer", "minimum": 1, "maximum": 1000, "default": 100}
            ),
            Parameter("cursor", "query", "From `next`.", TEXT),
        ),
        group="records",
        need=Need.ADMIN,
    ),
    Call(
        "post",
        "/v1/prune",
        "Remove files that have had their time",
        "Removes the tables and artefacts of ended jobs, the oldest first, by the rules of the settings or by those "
        "given here. The jobs and their logs stay.",
        {
            200: ("With `dry_run=true`: what would be removed.", JSON, ref("Pruning")),
            202: ("What is removed, as soon as a consumer is there.", JSON, ref("Pruning")),
        },
        ["bad_parameter", *STORING],
        (
            Parameter("older_than", "query", "Files of jobs that ended so long ago, such as `30d`.", TEXT),
            Parameter("max_size", "query", "The oldest files beyond so many bytes in all, such as `50GiB`.", TEXT),
            Parameter("dry_run", "query", "Only say what it comes to.", {"type": "boolean", "default": False}),
        ),
        group="operations",
        need=Need.ADMIN,
    ),
    Call(
        "get",
        "/openapi.json",
        "This contract",
        "OpenAPI 3.1.",
        {200: ("The contract.", JSON, {"type": "object"})},
        group="operations",
        need=Need.KEY,
    ),
    Call(
        "get",
        "/docs",
        "This contract as a page",
        "For people; needs nothing from elsewhere.",
        {200: ("A page.", "text/html", None)},
        group="operations",
        need=Need.KEY,
    ),
    Call(
        "get",
        "/asyncapi.json",
        "The contract of messages",
        "AsyncAPI 3.0: how other services submit jobs and follow them over AMQP.",
        {200: ("The contract.", JSON, {"type": "object"})},
        group="operations",
        need=Need.KEY,
    ),
    Call(
        "get",
        "/docs/messages",
        "The contract of messages as a page",
        "For people; needs nothing from elsewhere.",
        {200: ("A page.", "text/html", None)},
        group="operations",
        need=Need.KEY,
    ),
    Call(
        "get",
        "/livez",
        "Is it alive?",
        "Answers as long as the process does.",
        {200: ("It is.", JSON, {"type": "object"})},
        group="operations",
        need=Need.NOTHING,
    ),
    Call(
        "get",
        "/readyz",
        "Is it ready?",
        "Whether jobs can be accepted and will be run, part by part.",
        {200: ("It is.", JSON, ref("Readiness")), 503: ("It is not.", JSON, ref("Readiness"))},
        group="operations",
        need=Need.NOTHING,
    ),
    Call(
        "get", "/metrics", "Metrics", "For Prometheus.", {200: ("The metrics.", "text/plain", TEXT)}, group="operations"
    ),
)
