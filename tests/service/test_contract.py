"""The contract is what the service does: every call is in it, and every answer is as it says."""

from __future__ import annotations

import json
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from jsonschema import Draft202012Validator

from service.app import ROUTES
from service.contract import asyncapi
from service.contract.openapi import document
from service.problems import PROBLEMS
from tests.service.house import TABLE, House


def test_every_call_is_in_the_contract_and_nothing_else() -> None:
    served = {(route.path, route.method.lower()) for route in ROUTES if isinstance(route, web.RouteDef)}
    told = {(path, method) for path, methods in document()["paths"].items() for method in methods}
    assert served == told


def test_every_reference_leads_somewhere() -> None:
    contract = document()
    refs = set(find_refs(contract))
    assert refs
    assert refs <= {f"#/components/schemas/{name}" for name in contract["components"]["schemas"]}


def find_refs(node: Any) -> list[str]:
    if isinstance(node, dict):
        own = [node["$ref"]] if isinstance(node.get("$ref"), str) else []
        return own + [ref for value in node.values() for ref in find_refs(value)]
    return [ref for value in node for ref in find_refs(value)] if isinstance(node, list) else []


def test_every_problem_has_a_status_and_a_title() -> None:
    for code, (status, title) in PROBLEMS.items():
        assert code.isidentifier()
        assert 400 <= status <= 599
        assert title[0].isupper()
        assert not title.endswith(".")


def check(body: Any, schema: str) -> None:
    contract = document()
    whole = {"$ref": f"#/components/schemas/{schema}", "components": contract["components"]}
    Draft202012Validator(whole).validate(body)


async def test_answers_are_as_the_contract_says(house: House) -> None:
    job = await house.submit()
    await house.consumer.finish(await house.consumer.next_job())
    for path, schema in (
        ("/v1/jobs", "Jobs"),
        (f"/v1/jobs/{job['id']}", "Job"),
        (f"/v1/jobs/{job['id']}/log", "Log"),
        ("/v1/kinds", "Kinds"),
        ("/v1/records/users", "Records"),
        ("/readyz", "Readiness"),
        ("/v1/jobs/none", "Problem"),
    ):
        check((await house.get(path))[1], schema)


def test_each_call_that_stores_something_says_what_it_answers_when_nothing_can_be_stored() -> None:
    for path, calls in document()["paths"].items():
        for method in calls.keys() - {"get", "head", "options"}:
            if path not in {"/v1/preview", "/v1/tickets"}:  # which store nothing
                assert calls[method]["responses"].keys() >= {"503", "507"}, (method, path)


async def test_who_sends_every_default_of_the_contract_says_no_field_twice(house: House) -> None:
    """As generated clients do, in the address and in the form."""
    call = document()["paths"]["/v1/jobs"]["post"]
    fields = call["requestBody"]["content"]["multipart/form-data"]["schema"]["properties"]
    form = aiohttp.FormData({name: field["default"] for name, field in fields.items() if "default" in field})
    form.add_field("file", TABLE, filename="sales.csv")
    sent = {one["name"]: one["schema"]["default"] for one in call["parameters"] if "default" in one["schema"]}
    async with house.http.post("/v1/jobs", params=sent, data=form) as answer:
        assert answer.status == 202, await answer.text()


@pytest.mark.parametrize("contract", [document(), asyncapi.document()], ids=["HTTP", "messages"])
def test_what_is_sent_has_all_fields_and_what_is_read_needs_none(contract: Any) -> None:
    schemas = contract["components"]["schemas"]
    for name in ("Job", "Source", "Progress", "Report", "Artefact", "Problem", "Fault"):
        assert schemas[name]["required"] == [*schemas[name]["properties"]], name
    assert "required" not in schemas["Reading"]


def test_each_call_says_what_opens_it() -> None:
    paths = document()["paths"]
    assert paths["/livez"]["get"]["security"] == []
    assert paths["/v1/jobs"]["post"]["security"] == [{"key": ["submit"]}, {}]
    assert paths["/v1/jobs/{id}"]["get"]["security"] == [{"key": ["read"]}, {"link": []}, {}]
    assert paths["/v1/jobs/{id}/stream"]["get"]["security"] == [{"key": ["read"]}, {"ticket": []}, {"link": []}, {}]
    assert paths["/v1/stream"]["get"]["security"] == [{"key": ["read"]}, {"ticket": []}, {}]
    assert paths["/v1/keys"]["post"]["security"] == [{"key": ["admin"]}, {}]
    used = {name for path in paths.values() for call in path.values() for one in call["security"] for name in one}
    assert used == set(document()["components"]["securitySchemes"])


async def test_the_contract_is_served_and_shown_without_anything_from_elsewhere(house: House) -> None:
    status, body, _ = await house.get("/openapi.json")
    assert (status, body) == (200, json.loads(json.dumps(document())))
    async with house.http.get("/docs") as answer:
        page = await answer.text()
    assert answer.status == 200
    for path in document()["paths"]:
        assert path in page
    for place in ("src=", "href="):
        loaded = [part[1:].partition('"')[0] for part in page.split(place)[1:]]
        assert all(one.startswith(("/", "#", "https://www.rfc-editor.org")) for one in loaded), loaded
    assert "`" not in page


@pytest.mark.parametrize("path", ["/v1/jobs", "/v1/kinds", "/livez", "/openapi.json"])
async def test_what_can_be_got_has_a_head(house: House, path: str) -> None:
    async with house.http.head(path) as answer:
        assert (answer.status, await answer.read()) == (200, b"")
