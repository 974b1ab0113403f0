"""What a consumer with these settings has that the service has not, examined for `rowmill doctor`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping, Sequence

from consumer import native
from consumer.mails import mailer
from protocol.config import Settings
from protocol.findings import Finding, warning


def begin(settings: Settings) -> Mapping[str, Awaitable[Sequence[Finding]]]:
    return {"mail": mailer.examine(settings), "native": _examine_native(settings)}


async def _examine_native(settings: Settings) -> Sequence[Finding]:
    """Whether compiled code is used."""
    if not settings.native:
        detail = "no compiled code is used, since it is switched off: jobs take longer"
        return [Finding(part="native", detail=detail, advice="ROWMILL_NATIVE=1 has it used.")]
    try:
        native.code()
    except native.NotThere as exc:
        advice = "Install a C compiler (Debian, Ubuntu: gcc libc6-dev), and then Rowmill once more."
        return [warning("native", f"no compiled code is used, since {exc}: jobs take longer", advice)]
    return [Finding(part="native", detail="compiled code is used")]
