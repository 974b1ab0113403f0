#!/usr/bin/env python3
"""What compose sees of the mailpit image: mail by SMTP, a page, `GET /api/v1/messages`, and `/mailpit readyz`."""

from __future__ import annotations

import email.policy
import json
import sys
import threading
import urllib.request
from email.message import EmailMessage
from html import escape
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from aiosmtpd.controller import Controller

MAILS: list[EmailMessage] = []


class Catcher:
    async def handle_DATA(self, _server: Any, _session: Any, envelope: Any) -> str:
        MAILS.append(email.message_from_bytes(envelope.content, EmailMessage, policy=email.policy.default))
        return "250 caught"


class Page(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        pages = {"/": show, "/readyz": lambda: ("text/plain", "ok"), "/api/v1/messages": tell}
        page = pages.get(self.path)
        kind, text = page() if page else ("text/plain", "not found")
        self.send_response(200 if page else 404)
        self.send_header("Content-Type", kind)
        self.end_headers()
        self.wfile.write(text.encode())


def show() -> tuple[str, str]:
    return "text/html", "".join(f"<p>{escape(str(mail['Subject']))}" for mail in MAILS)


def tell() -> tuple[str, str]:
    messages = [{"To": [{"Address": str(mail["To"])}], "Subject": str(mail["Subject"])} for mail in MAILS]
    return "application/json", json.dumps({"total": len(messages), "messages": messages})


def main() -> None:
    if sys.argv[1:] == ["readyz"]:
        urllib.request.urlopen("http://127.0.0.1:8025/readyz", timeout=3).close()
        return
    Controller(Catcher(), hostname="0.0.0.0", port=1025).start()
    server = ThreadingHTTPServer(("0.0.0.0", 8025), Page)
    threading.Thread(target=server.serve_forever).run()


if __name__ == "__main__":
    main()
