"""Every call of the HTTP API as data: what it takes, what it answers, what can go wrong."""

from __future__ import annotations

from service.contract.call import ID, JSON, STORING, TEXT, WAIT, Call, Need, Parameter, Schema, ref
from service.contract.key_calls import KEYS
from service.contract.list_calls import BULK, KIND, LIST, REJECTS, STATE
from service.contract.table_calls import AMENDMENTS, PREVIEW, SUBMIT
from service.contract.upkeep_calls import UPKEEP
from service.tus.calls import TUS

__all__ = ["CALLS", "TEXT", "Call", "Parameter", "Schema", "ref"]

JOB = ("The job.", JSON, ref("Job"))
KNOWN = Parameter("If-None-Match", "header", "The ETag you know: 304 if it is still so.", TEXT)
MEANT = Parameter("If-Match", "header", "The ETag you know: 412 if it is another by now.", TEXT)
DOWNLOAD = Call(
    "get",
    "/v1/jobs/{id}/artefacts/{name}",
    "Download an artefact",
    "A file that the job made. Ranges and conditional requests are honoured.",
    {
        200: ("The file.", "*/*", None),
        206: ("The asked part of it.", "*/*", None),
        304: ("You have it.", None, None),
    },
    ["no_such_job", "no_such_artefact", "gone", "bad_parameter", "unsatisfiable_range"],
    (
        ID,
        Parameter("name", "path", "As the job names it.", TEXT, required=True),
        Parameter("for", "query", "Cells that a spreadsheet would run are escaped.", {"enum": ["spreadsheet"]}),
        Parameter("Range", "header", "One range of bytes.", TEXT),
        KNOWN,
    ),
)
CALLS: tuple[Call, ...] = (
    Call(
        "get",
        "/v1/kinds",
        "List kinds",
        "The kinds of job that consumers have announced.",
        {200: ("The kinds.", JSON, ref("Kinds"))},
        group="kinds",
        need=Need.KEY,
    ),
    SUBMIT,
    PREVIEW,
    LIST,
    BULK,
    Call(
        "get",
        "/v1/jobs/{id}",
        "Show a job",
        "The job as it is; its ETag is its version.",
        {200: JOB, 304: ("It is as you know it.", None, None)},
        ["no_such_job"],
        (ID, WAIT, KNOWN),
    ),
    Call(
        "delete",
        "/v1/jobs/{id}",
        "Delete a job",
        "Removes a final job and all its files.",
        {204: ("It is gone.", None, None)},
        ["no_such_job", "illegal_move", "moved_on", *STORING],
        (ID, MEANT),
        need=Need.SUBMIT,
    ),
    Call(
        "get",
        "/v1/jobs/{id}/log",
        "Show a job's log",
        "Every move with its time, attempt and reason.",
        {200: ("The log.", JSON, ref("Log"))},
        ["no_such_job"],
        (ID,),
    ),
    REJECTS,
    Call(
        "post",
        "/v1/jobs/{id}/cancel",
        "Cancel a job",
        "Asks the consumer; the job's next version is the answer.",
        {202: ("Asked.", JSON, ref("Job"))},
        ["no_such_job", "illegal_move", "moved_on", *STORING],
        (ID, MEANT),
        need=Need.SUBMIT,
    ),
    Call(
        "post",
        "/v1/jobs/{id}/retry",
        "Try a job again",
        "Queues a failed or cancelled job again; the answer waits a moment until it is.",
        {202: ("Asked.", JSON, ref("Job"))},
        ["no_such_job", "illegal_move", "moved_on", *STORING],
        (ID, MEANT),
        need=Need.SUBMIT,
    ),
    DOWNLOAD,
    *AMENDMENTS,
    *TUS,
    Call(
        "get",
        "/v1/jobs/{id}/stream",
        "Watch a job",
        "A websocket: the job as it is, then each newer version.",
        {101: ("CloudEvents, one a message.", None, None)},
        ["no_such_job", "upgrade_required", "busy"],
        (ID,),
        group="live",
    ),
    Call(
        "get",
        "/v1/jobs/{id}/events",
        "Follow a job by Server-Sent Events",
        "The job as it is, then each newer version, and the end of the answer after the last. Each event has the job's "
        "version as its id and a CloudEvent as its data, as on the websocket.",
        {
            200: ("The events.", "text/event-stream", None),
            204: ("You have the last one; do not come again.", None, None),
        },
        ["no_such_job", "busy"],
        (ID, Parameter("Last-Event-ID", "header", "The version that you had last: only newer ones follow.", TEXT)),
        group="live",
    ),
    Call(
        "get",
        "/v1/stream",
        "Watch all jobs",
        "A websocket: each change of any job, the latest of each; a deleted one is told as `rowmill.job.deleted.v1`.",
        {101: ("CloudEvents, one a message.", None, None)},
        ["bad_parameter", "upgrade_required", "busy"],
        (STATE, KIND),
        group="live",
    ),
    *KEYS,
    *UPKEEP,
)
