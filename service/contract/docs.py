"""The contract for programs, and as a page for people that needs nothing from elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from aiohttp import web

from service.contract import asyncapi
from service.contract.calls import CALLS
from service.contract.openapi import ALWAYS, document
from service.jobs.api import answer_json
from service.pages import views
from service.problems import PROBLEMS


@cache
def contract_text() -> str:
    return json.dumps(document(), indent=1, allow_nan=False)


async def contract(_request: web.Request) -> web.Response:
    return answer_json(contract_text(), headers={"Cache-Control": "no-cache"})


async def show(request: web.Request) -> web.Response:
    schemas = document()["components"]["schemas"]
    return request.app[views.PAGES].answer(
        request,
        "docs.html",
        calls=CALLS,
        problems=PROBLEMS,
        always=ALWAYS,
        schemas=schemas,
        type_of=type_of,
        anchor=lambda call: f"{call.method}{call.path}".replace("/", "-").replace("{", "").replace("}", ""),
    )


@cache
def message_contract_text() -> str:
    return json.dumps(asyncapi.document(), indent=1, allow_nan=False)


async def message_contract(_request: web.Request) -> web.Response:
    return answer_json(message_contract_text(), headers={"Cache-Control": "no-cache"})


async def show_messages(request: web.Request) -> web.Response:
    contract = asyncapi.document()
    return request.app[views.PAGES].answer(
        request, "messages.html", contract=contract, type_of=type_of, last_part=last_part
    )


def last_part(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def type_of(schema: Mapping[str, Any]) -> str:
    """A schema in a few words; the name of a model is one that the page explains."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if options := schema.get("anyOf", schema.get("oneOf")):
        return " or ".join(dict.fromkeys(map(type_of, options)))
    if "properties" in schema:
        return f"{{{', '.join(schema['properties'])}}}"
    if "enum" in schema:
        return ", ".join(map(str, schema["enum"]))
    if schema.get("type") == "array":
        return f"list of {type_of(schema.get('items', {}))}"
    kinds = schema.get("type", "anything")
    return kinds if isinstance(kinds, str) else " or ".join(kinds)
