"""How configuration is spelled: environment variables into settings. Every knob is here."""

from __future__ import annotations

import ipaddress
import math
import os
import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import quote

from pydantic import AfterValidator, BeforeValidator, Field, ValidationError, field_validator, model_validator
from pydantic_settings import (
    BaseSettings,
    DotEnvSettingsSource,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from protocol import checks
from protocol.adapters import PREFIX, BadConfig

OF_THE_CLIENT = {"server", "key_file"}  # what `rowmill submit` and its like read; no business of a server
LEAST_SECRET = 32
SPACE_FLOOR = 256 * 2**20
SIZES = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}
TIMES = {"": 1.0, "s": 1.0, "m": 60.0, "h": 3600.0, "d": 86400.0}
LONGEST = 1000 * 365 * 86400.0  # seconds: what is so far from now has a date still


def parse_size(text: str) -> int:
    """`64MiB`, `64 MB`, `64M` and 67108864 are the same number of bytes; ValueError where there is none."""
    match = re.fullmatch(r"(\d{1,19}(?:\.\d+)?)\s*([KMGT]?)(?:i?B)?", text.strip(), re.ASCII | re.IGNORECASE)
    if match is None:
        raise ValueError("must be bytes, or such as 64MiB")
    return int(float(match[1]) * SIZES[match[2].upper()])


def parse_time(text: str) -> float:
    """`90`, `90s` and `1.5m` are the same number of seconds; ValueError where there is none."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?)\s*([smhd]?)", text.strip(), re.ASCII)
    seconds = float(match[1]) * TIMES[match[2]] if match else math.inf
    if seconds > LONGEST:
        raise ValueError("must be seconds, or such as 90s, 5m, 2h or 7d")
    return seconds


def parse_list(value: object) -> object:
    return tuple(part.strip() for part in value.split(",") if part.strip()) if isinstance(value, str) else value


def _read_by(parse: Callable[[str], float]) -> BeforeValidator:
    return BeforeValidator(lambda value: parse(value) if isinstance(value, str) else value)


_SIZE = _read_by(parse_size)
Size = Annotated[int, _SIZE, Field(gt=0)]
Seconds = Annotated[float, _read_by(parse_time), Field(gt=0)]
Words = Annotated[tuple[str, ...], NoDecode, BeforeValidator(parse_list)]
Page = Annotated[str, AfterValidator(checks.check_page)]
Sources = Annotated[Words, AfterValidator(checks.check_sources)]
Origins = Annotated[Words, AfterValidator(checks.check_origins)]
Webhooks = Annotated[Words, AfterValidator(checks.check_webhooks)]
WebhookSecrets = Annotated[Words, AfterValidator(checks.check_webhook_secrets)]
Unsubscribing = Annotated[Words, AfterValidator(checks.check_unsubscribing)]


def count_cores() -> int:
    """The cores this process may use, which in a container is less than the machine has."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Settings(BaseSettings):
    """All settings: environment variables with the prefix ROWMILL_, then `.env`, then `rowmill.toml`."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_file=".env",
        toml_file="rowmill.toml",
        extra="ignore",
        frozen=True,
        hide_input_in_errors=True,
    )

    broker_url: str = Field(
        "embedded://", description="embedded:// (one process) or amqp[s]://user:password@host/vhost"
    )
    data_dir: Path = Field(
        Path("rowmill-data"), description="where everything lies that has no URL of its own, for its owner's eyes alone"
    )
    database_url: str = Field("", description="sqlite:///path; default: rowmill.db in the data folder")
    files_url: str = Field("", description="file:///folder or s3://bucket/prefix; default: files in the data folder")
    records_url: str = Field(
        "", description="where kinds load rows: sqlite:///path or postgresql://user:password@host/database"
    )
    smtp_url: str = Field("", description="smtp://user:password@host:port; without it mails become .eml files")
    mail_from: str = Field("Rowmill <rowmill@localhost>", description="the sender of all mail")
    public_url: Page = Field("", description="how people reach the page; used for links in mail")
    host: str = Field("127.0.0.1", description="the address to listen on")
    port: int = Field(8080, ge=0, le=65535, description="the port to listen on; 0 takes a free one")
    workers: int = Field(default_factory=count_cores, ge=1, le=256, description="worker processes; default: the cores")
    max_upload: Size = Field(2 * 2**30, description="the largest table, unpacked, in bytes or as 2GiB")
    max_attempts: int = Field(3, ge=1, le=100, description="how often a job is tried")
    job_timeout: Seconds = Field(3600.0, description="seconds a job may run (also 90s, 5m, 2h)")
    chunk_timeout: Seconds = Field(300.0, description="seconds one chunk may take")
    worker_memory: Size = Field(2 * 2**30, description="memory a worker process may allocate")
    worker_nice: int = Field(5, ge=0, le=19, description="how far worker processes give way to whoever answers people")
    api_keys: Words = Field((), description="admin keys, separated by commas, beside those of `rowmill keys`")
    secret: Words = Field((), description="signs links in mails, the same for both sides; `new,old` rotates it")
    key_rate: int = Field(6000, ge=1, description="requests a minute of one key")
    key_uploads: int = Field(16, ge=1, description="uploads of one key at a time")
    key_queue: int = Field(10_000, ge=1, description="jobs of one key in the queue")
    disk_floor: Size = Field(SPACE_FLOOR, description="how much of the disk new tables leave free, such as 256MiB")
    sources: Sources = Field((), description="URL prefixes from which messages may name a source")
    fetch_hosts: Origins = Field(
        (), description="hosts that `fetch` may ask, such as api.example.org, example.org:8443 or http://10.0.0.5:8000"
    )
    unsubscribe_url: Unsubscribing = Field(
        (), description="https:// or mailto: (or both) for mailings' List-Unsubscribe; {email} stands for the recipient"
    )
    webhook_url: Webhooks = Field((), description="webhooks that are told of every job's end")
    webhook_hosts: Origins = Field(
        (),
        description="hosts that webhooks may reach although they are private or without TLS, as http://10.0.0.5:8000",
    )
    webhook_secret: WebhookSecrets = Field((), description="whsec_…, signs webhooks; `new,old` rotates it")
    retention: Seconds | None = Field(
        None, description="how long finished jobs keep their files (also 7d); default: for ever"
    )
    retention_size: Size | None = Field(
        None, description="how many bytes of finished jobs' files are kept (also 50GiB); default: all"
    )
    retry_delay: Seconds = Field(2.0, description="seconds before the second attempt; four times as long each time")
    chunk_size: Size = Field(
        16 * 2**20, description="how many bytes of a table are one chunk; of a large table, up to twice as many"
    )
    quick_size: Annotated[int, _SIZE, Field(ge=0)] = Field(
        2**20, description="up to how many bytes a table is done at one go, without checkpoints; 0: none"
    )
    grace: Seconds = Field(20.0, description="how long a stopping consumer lets running chunks finish")
    charts: bool = Field(default=True, description="whether charts are also rendered as SVG and PNG")
    native: bool = Field(
        default=True, description="whether compiled code is used, where there was a compiler at installation"
    )
    metrics_port: int | None = Field(
        None, ge=1, le=65535, description="a port for Prometheus, for a consumer alone: the service has /metrics"
    )
    log_format: Literal["console", "json"] = Field("console", description="how log lines look")

    @model_validator(mode="before")
    @classmethod
    def _fill_in(cls, values: dict[str, Any]) -> dict[str, Any]:
        data = Path(values.get("data_dir") or "rowmill-data").absolute()
        defaults = {
            "data_dir": data,
            "database_url": f"sqlite:///{data}/rowmill.db",
            "files_url": (data / "files").as_uri(),  # a folder may have # and % in its name
            "records_url": f"sqlite:///{data}/records.db",
        }
        return values | {name: value for name, value in defaults.items() if name == "data_dir" or not values.get(name)}

    @field_validator("secret")
    @classmethod
    def _be_long(cls, secret: tuple[str, ...]) -> tuple[str, ...]:
        if any(len(one) < LEAST_SECRET for one in secret):
            raise ValueError(f"a secret has {LEAST_SECRET} characters or more, such as `openssl rand -hex 32` makes")
        return secret

    @property
    def mail_url(self) -> str:
        """Where mail goes."""
        return self.smtp_url or f"file://{quote(str(self.data_dir))}/outbox"

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        toml = TomlConfigSettingsSource(settings_cls)
        return init_settings, env_settings, dotenv_settings, file_secret_settings, toml


def trusted(settings: Settings) -> tuple[str, ...]:
    """What webhooks may reach wherever it lies, also without TLS: whole origins, and the operator's own addresses."""
    return (*settings.webhook_hosts, *settings.webhook_url)


@lru_cache(maxsize=256)
def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def load(**given: Any) -> Settings:
    """The settings of this process, or BadConfig that names every wrong one."""
    known = {*Settings.model_fields, *OF_THE_CLIENT}
    unknown = sorted({name for name in _written_down() if name not in known})
    if unknown:
        raise BadConfig(f"no such setting: {', '.join(PREFIX + name.upper() for name in unknown)}")
    try:
        return Settings(**given)
    except ValidationError as exc:
        raise BadConfig("; ".join(_sentence(dict(error)) for error in exc.errors())) from None


def _written_down() -> Iterator[str]:
    """The names of all settings that somebody gave a value, misspelt ones too: pydantic would pass over those."""
    prefix = PREFIX.lower()
    for source in (EnvSettingsSource(Settings), DotEnvSettingsSource(Settings)):
        yield from (name.removeprefix(prefix) for name in source.env_vars if name.startswith(prefix))
    try:
        yield from TomlConfigSettingsSource(Settings).toml_data
    except ValueError as exc:
        raise BadConfig(f"rowmill.toml: {exc}") from None


def _sentence(error: dict[str, Any]) -> str:
    name = PREFIX + str(error["loc"][0]).upper() + ": " if error["loc"] else PREFIX
    said = re.sub("^Value error, |, unable to .*", "", str(error["msg"]))
    return name + said.replace("Input should be", "must be", 1)
