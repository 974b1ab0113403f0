"""The calls about keys and tickets, as data."""

from __future__ import annotations

from service.contract.call import JSON, STORING, TEXT, Call, Need, Parameter, Schema, ref

NAME = Parameter("name", "path", "The key's name.", TEXT, required=True)
NAMED: Schema = {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$"}


def body(schema: Schema) -> Schema:
    return {"required": True, "content": {JSON: {"schema": schema}}}


KEYS: tuple[Call, ...] = (
    Call(
        "get",
        "/v1/keys",
        "List keys",
        "Every key there ever was, without its secret.",
        {200: ("The keys.", JSON, ref("KeyList"))},
        group="keys",
        need=Need.ADMIN,
    ),
    Call(
        "post",
        "/v1/keys",
        "Make a key",
        "Its secret is in this answer and nowhere else. Jobs belong to the name that submits them. From the first on, "
        "every call takes one.",
        {201: ("The key.", JSON, ref("NewKey"))},
        ["malformed", "timeout", "name_taken", *STORING],
        body=body(
            {
                "type": "object",
                "properties": {"name": NAMED, "scopes": {"type": "array", "items": ref("Scope"), "minItems": 1}},
                "required": ["name", "scopes"],
            }
        ),
        group="keys",
        need=Need.ADMIN,
    ),
    Call(
        "post",
        "/v1/keys/{name}/rotate",
        "Rotate a key",
        "A new key of the same name and scopes; the old one works for the time of grace.",
        {201: ("The new key.", JSON, ref("NewKey"))},
        ["bad_parameter", "no_such_key", *STORING],
        (NAME, Parameter("grace", "query", "How long the old one still works, such as `1d`.", TEXT)),
        group="keys",
        need=Need.ADMIN,
    ),
    Call(
        "delete",
        "/v1/keys/{name}",
        "Revoke a key",
        "It stops working at once, with its sessions; its jobs stay.",
        {204: ("It is revoked.", None, None)},
        ["no_such_key", *STORING],
        (NAME,),
        group="keys",
        need=Need.ADMIN,
    ),
    Call(
        "post",
        "/v1/tickets",
        "Get a ticket",
        "Opens one stream or artefact once, within a minute, for whoever cannot send a header: add it to the address, "
        "as `?ticket=`.",
        {201: ("The ticket.", JSON, ref("Ticket"))},
        ["malformed", "timeout"],
        body=body({"type": "object", "properties": {"path": TEXT}, "required": ["path"]}),
        group="live",
    ),
)
