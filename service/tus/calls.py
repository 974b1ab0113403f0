"""The calls at /v1/uploads as data."""

from __future__ import annotations

from service.contract.call import JSON, STORING, TEXT, Call, Need, Parameter, Schema, ref
from service.contract.table_calls import PROBLEMS, QUERY
from service.tus import headers

ID = Parameter("id", "path", "The upload's id.", {"type": "string", "pattern": "^[0-9a-f]{32}$"}, required=True)
VERSION = Parameter("Tus-Resumable", "header", "The protocol's version.", {"enum": [headers.VERSION]}, required=True)
NUMBER: Schema = {"type": "integer", "minimum": 0, "maximum": 10**15 - 1}
OFFSET = Parameter("Upload-Offset", "header", "Where the bytes begin: what HEAD said.", NUMBER, required=True)
LENGTH = Parameter("Upload-Length", "header", "The whole file's bytes.", NUMBER, required=True)
METADATA = Parameter(
    "Upload-Metadata",
    "header",
    "As the protocol spells it: `filename`, `kind`, `params`, `priority`, `email` (several with commas), `webhook` "
    "(several with blanks).",
    TEXT,
)
CHECKSUM = Parameter("Upload-Checksum", "header", "`sha1` or `sha256`, a space, the digest in Base64.", TEXT)
METHOD = Parameter("X-HTTP-Method-Override", "header", "What is meant.", {"enum": ["PATCH", "DELETE"]}, required=True)
BYTES: Schema = {"required": False, "content": {headers.MEDIA_TYPE: {"schema": {"type": "string", "format": "binary"}}}}
SPEAKING = ("wrong_version", "bad_parameter", "no_such_upload")
RESUMING = ("wrong_media_type", "wrong_offset", "locked", "checksum_mismatch")
RECEIVING = tuple(dict.fromkeys((*SPEAKING, *RESUMING, *PROBLEMS)))
GROUP = "uploads"

TUS = (
    Call(
        "options",
        "/v1/uploads",
        "What is spoken of tus",
        "The version, extensions and limits, as headers.",
        {204: ("They are in the headers.", None, None)},
        group=GROUP,
        need=Need.NOTHING,
    ),
    Call(
        "post",
        "/v1/uploads",
        "Begin an upload that can be resumed",
        "The protocol is tus 1.0 (https://tus.io/protocols/resumable-upload), so any of its clients will do. What is "
        "wrong with the fields is said now, with the table as soon as it shows. When the last byte is here, the job "
        "is made as by `POST /v1/jobs`, and `Rowmill-Job` leads to it.",
        {201: ("It is at `Location`.", None, None)},
        ("wrong_version", "wrong_media_type", "checksum_mismatch", *PROBLEMS),
        (VERSION, LENGTH, METADATA, CHECKSUM, *QUERY),
        BYTES,
        group=GROUP,
        need=Need.SUBMIT,
    ),
    Call(
        "head",
        "/v1/uploads/{id}",
        "Where to go on",
        "`Upload-Offset` says how many bytes are here for good. A request that still sends some is ended.",
        {200: ("It is in the headers.", None, None)},
        (*SPEAKING, "locked"),
        (ID, VERSION),
        group=GROUP,
        need=Need.SUBMIT,
    ),
    Call(
        "get",
        "/v1/uploads/{id}",
        "Show an upload",
        "How far it is, and which job was made of it.",
        {200: ("The upload.", JSON, ref("UploadState"))},
        ("no_such_upload",),
        (ID,),
        group=GROUP,
        need=Need.SUBMIT,
    ),
    Call(
        "patch",
        "/v1/uploads/{id}",
        "Go on with an upload",
        "Bytes from `Upload-Offset` on. What came before the link broke is kept.",
        {204: ("They are here; `Upload-Offset` says up to where.", None, None)},
        RECEIVING,
        (ID, VERSION, OFFSET, CHECKSUM),
        BYTES,
        group=GROUP,
        need=Need.SUBMIT,
    ),
    Call(
        "post",
        "/v1/uploads/{id}",
        "Go on with an upload, where PATCH is not possible",
        "`X-HTTP-Method-Override` says what is meant.",
        {204: ("It is done.", None, None)},
        RECEIVING,
        (ID, VERSION, METHOD, OFFSET, CHECKSUM),
        BYTES,
        group=GROUP,
        need=Need.SUBMIT,
    ),
    Call(
        "delete",
        "/v1/uploads/{id}",
        "End an upload",
        "What is there of it goes; the job that was made of it stays.",
        {204: ("It is gone.", None, None)},
        (*SPEAKING, "locked", *STORING),
        (ID, VERSION),
        group=GROUP,
        need=Need.SUBMIT,
    ),
)
