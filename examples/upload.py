"""Uploads a large table with tuspy, goes on where the link broke off, and waits for the result.

usage: python upload.py table.csv kind    (ROWMILL_URL says where the server is, ROWMILL_KEY is your key)

Which uploads are under way stands in uploads.json: what was ended with Ctrl-C goes on when it is called again.
"""

import os
import sys
from pathlib import Path
from urllib.parse import urljoin

import requests
from tusclient.client import TusClient
from tusclient.storage.filestorage import FileStorage

SERVER = os.environ.get("ROWMILL_URL", "http://127.0.0.1:8080")
HEADERS = {"Authorization": f"Bearer {key}"} if (key := os.environ.get("ROWMILL_KEY")) else {}


def upload(path: Path, kind: str) -> str:
    """The upload's address."""
    uploader = TusClient(f"{SERVER}/v1/uploads", headers=HEADERS).uploader(
        str(path),
        chunk_size=64 * 2**20,  # this client holds so much in memory
        retries=120,  # a second apart: a server may be started anew meanwhile
        retry_delay=1,
        metadata={"filename": path.name, "kind": kind},
        store_url=True,
        url_storage=FileStorage("uploads.json"),
    )
    uploader.upload()
    return str(uploader.url)


def finished(url: str) -> dict:
    """The job that was made of the upload, once it has ended."""
    state = requests.get(url, headers=HEADERS, timeout=60).json()
    while True:
        address = urljoin(SERVER, f"/v1/jobs/{state['job']}")
        job = requests.get(address, headers=HEADERS | {"Prefer": "wait=30"}, timeout=90).json()
        if job["finished_at"]:
            return job


if __name__ == "__main__":
    job = finished(upload(Path(sys.argv[1]), sys.argv[2]))
    print(job["id"], job["state"], (job["report"] or {}).get("numbers"))
    sys.exit(0 if job["state"] == "succeeded" else 1)
