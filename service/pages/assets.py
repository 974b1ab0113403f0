"""What pages load: our own style and script, and the library that draws charts; all may be kept for ever."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from aiohttp import web

from service.pages.vega import NoBundle, VegaBundle
from service.wiring import SERVICE

FOLDER = Path(__file__).parent / "static"
FOR_EVER = {"Cache-Control": "public, max-age=31536000, immutable"}


@dataclass(frozen=True)
class Assets:
    """The names of our own files, and a digest of what is in them, which is part of their addresses.

    It is in the path, so that a module of the script finds the others of its version beside it.
    """

    names: frozenset[str]
    digest: str
    bundle: VegaBundle

    def address(self, name: str) -> str:
        return f"/static/{self.digest}/{name}"

    @property
    def vega(self) -> str:
        return f"/static/{self.bundle.name}"


ASSETS = web.AppKey("assets", Assets)


def add_assets(app: web.Application) -> Assets:
    app[ASSETS] = assets = load_assets()
    app.router.add_get(assets.vega, send_vega)
    app.router.add_get("/static/{name}", send_static)
    app.router.add_get(assets.address("{name}"), send_static)
    return assets


def load_assets() -> Assets:
    files = sorted(path for path in FOLDER.iterdir() if path.is_file())
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in files)).hexdigest()[:12]
    return Assets(frozenset(path.name for path in files), digest, VegaBundle())


async def send_static(request: web.Request) -> web.StreamResponse:
    name, assets = request.match_info["name"], request.app[ASSETS]
    if name not in assets.names:
        raise web.HTTPNotFound
    return web.FileResponse(FOLDER / name, headers=FOR_EVER if request.path == assets.address(name) else None)


async def send_vega(request: web.Request) -> web.StreamResponse:
    folder = request.app[SERVICE].settings.data_dir / "cache"
    try:
        return web.FileResponse(await request.app[ASSETS].bundle.path(folder), headers=FOR_EVER)
    except NoBundle as exc:
        raise web.HTTPNotFound from exc
