"""Settings: each by its name, from each place, and a wrong one names itself."""

from __future__ import annotations

import os
import re
import socket
import stat
from pathlib import Path
from typing import Any

import pytest

from consumer.mailers import open_sender
from protocol import adapters, config
from protocol.adapters import BadConfig
from protocol.databases import open_database
from protocol.files import open_files
from protocol.recipients import read_webhooks
from protocol.signing import load_signer
from protocol.transports import open_transport

GIB, MIB = 2**30, 2**20
# Name, what is written, what it means; the names are the contract.
WRITTEN: list[tuple[str, str, Any]] = [
    ("BROKER_URL", "amqp://guest:guest@broker/", "amqp://guest:guest@broker/"),
    ("DATA_DIR", "/srv/rowmill", Path("/srv/rowmill")),
    ("DATABASE_URL", "sqlite:////srv/x.db", "sqlite:////srv/x.db"),
    ("FILES_URL", "s3://bucket/prefix", "s3://bucket/prefix"),
    ("RECORDS_URL", "sqlite:////srv/r.db", "sqlite:////srv/r.db"),
    ("SMTP_URL", "smtp://mail:25", "smtp://mail:25"),
    ("MAIL_FROM", "Mill <mill@example.org>", "Mill <mill@example.org>"),
    ("PUBLIC_URL", "https://mill.example.org", "https://mill.example.org"),
    ("HOST", "127.0.0.2", "127.0.0.2"),
    ("PORT", "0", 0),
    ("WORKERS", "3", 3),
    ("WORKER_NICE", "0", 0),
    ("MAX_UPLOAD", "1.5GiB", 3 * GIB // 2),
    ("MAX_ATTEMPTS", "5", 5),
    ("JOB_TIMEOUT", "2h", 7200.0),
    ("CHUNK_TIMEOUT", "90", 90.0),
    ("WORKER_MEMORY", "512 MB", 512 * MIB),
    ("API_KEYS", "one, two,,", ("one", "two")),
    ("SECRET", f"{'n' * 32},{'o' * 32}", ("n" * 32, "o" * 32)),
    ("KEY_RATE", "60", 60),
    ("KEY_UPLOADS", "2", 2),
    ("KEY_QUEUE", "100", 100),
    ("DISK_FLOOR", "1GiB", GIB),
    ("SOURCES", "https://a/,https://b/", ("https://a/", "https://b/")),
    ("FETCH_HOSTS", "a.org,http://10.0.0.5:8000", ("https://a.org:443", "http://10.0.0.5:8000")),
    ("UNSUBSCRIBE_URL", "https://a.org/?e={email}", ("https://a.org/?e={email}",)),
    ("WEBHOOK_URL", "https://a.org/hook", ("https://a.org/hook",)),
    ("WEBHOOK_HOSTS", "http://10.0.0.5:8000", ("http://10.0.0.5:8000",)),
    ("WEBHOOK_SECRET", f"whsec_{'a' * 32}", (f"whsec_{'a' * 32}",)),
    ("RETENTION", "7d", 7 * 86400.0),
    ("RETENTION_SIZE", "50GiB", 50 * GIB),
    ("RETRY_DELAY", "0.1s", 0.1),
    ("CHUNK_SIZE", "64KiB", 65536),
    ("QUICK_SIZE", "0", 0),
    ("GRACE", "1.5m", 90.0),
    ("CHARTS", "no", False),
    ("NATIVE", "no", False),
    ("METRICS_PORT", "9100", 9100),
    ("LOG_FORMAT", "json", "json"),
]


@pytest.fixture(autouse=True)
def _nothing_set(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A folder without files and an environment without settings."""
    for name in list(os.environ):
        if name.upper().startswith(adapters.PREFIX):
            monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def test_no_setting_is_without_an_example_here() -> None:
    assert {name.lower() for name, _, _ in WRITTEN} == set(config.Settings.model_fields)


def test_every_setting_says_what_it_is_for() -> None:
    assert all(field.description for field in config.Settings.model_fields.values())


@pytest.mark.parametrize(("name", "text", "meaning"), WRITTEN)
def test_a_variable_sets_it(monkeypatch: pytest.MonkeyPatch, name: str, text: str, meaning: Any) -> None:
    monkeypatch.setenv(f"ROWMILL_{name}", text)
    assert getattr(config.load(), name.lower()) == meaning


@pytest.mark.parametrize(("name", "text", "meaning"), WRITTEN)
def test_a_line_in_env_sets_it(tmp_path: Path, name: str, text: str, meaning: Any) -> None:
    (tmp_path / ".env").write_text(f"SOMEBODY_ELSES=1\nROWMILL_{name}='{text}'\n")
    assert getattr(config.load(), name.lower()) == meaning


@pytest.mark.parametrize(("name", "text", "meaning"), WRITTEN)
def test_a_line_in_the_toml_file_sets_it(tmp_path: Path, name: str, text: str, meaning: Any) -> None:
    (tmp_path / "rowmill.toml").write_text(f"{name.lower()} = '{text}'\n")
    assert getattr(config.load(), name.lower()) == meaning


def test_the_toml_file_may_write_numbers_and_lists_as_such(tmp_path: Path) -> None:
    (tmp_path / "rowmill.toml").write_text("port = 81\nmax_upload = 1000\njob_timeout = 1.5\napi_keys = ['a,b', 'c']\n")
    settings = config.load()
    assert (settings.port, settings.max_upload, settings.job_timeout) == (81, 1000, 1.5)
    assert settings.api_keys == ("a,b", "c")


def test_the_environment_goes_before_env_and_that_before_the_toml_file(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "rowmill.toml").write_text("port = 1\nworkers = 1\nmax_attempts = 1\n")
    (tmp_path / ".env").write_text("ROWMILL_PORT=2\nROWMILL_WORKERS=2\n")
    monkeypatch.setenv("ROWMILL_PORT", "3")
    settings = config.load()
    assert (settings.port, settings.workers, settings.max_attempts) == (3, 2, 1)
    assert config.load(port=4).port == 4


def test_without_any_setting_it_runs_alone_on_this_machine(tmp_path: Path) -> None:
    settings = config.load()
    data = tmp_path / "rowmill-data"
    assert settings.broker_url == "embedded://"
    assert settings.data_dir == data
    assert settings.database_url == f"sqlite:///{data}/rowmill.db"
    assert settings.files_url == f"file://{data}/files"
    assert settings.records_url == f"sqlite:///{data}/records.db"
    assert (settings.smtp_url, settings.host, settings.port) == ("", "127.0.0.1", 8080)
    assert (settings.max_attempts, settings.api_keys, settings.sources) == (3, (), ())
    assert settings.retention is None
    assert settings.workers == config.count_cores() >= 1


def test_settings_do_not_change_afterwards() -> None:
    with pytest.raises(ValueError, match="frozen"):
        config.load().port = 1  # type: ignore[misc]


async def test_what_has_no_url_lies_in_the_data_folder_whatever_it_is_called(tmp_path: Path) -> None:
    data = tmp_path / "50%20 #1? ä"
    settings = config.load(data_dir=data)
    async with open_files(settings.files_url) as files, open_database(settings.database_url):
        await files.put("uploads/one", b"1")
    assert (data / "files/uploads/one").read_bytes() == b"1"
    assert (data / "rowmill.db").exists()
    assert os.listdir(tmp_path) == [data.name]  # noqa: PTH208


def test_a_folder_that_is_made_for_the_secret_is_its_owners_alone(tmp_path: Path) -> None:
    settings = config.load(data_dir=tmp_path / "data")
    load_signer(settings)
    assert stat.S_IMODE(settings.data_dir.stat().st_mode) == stat.S_IRWXU


SIZES = [("1", 1), ("1024", 1024), ("64K", 65536), ("64KB", 65536), ("64 kib", 65536), ("2GiB", 2 * GIB), ("1T", 2**40)]


@pytest.mark.parametrize(("text", "size"), SIZES)
def test_sizes_are_bytes_or_have_a_unit(text: str, size: int) -> None:
    assert config.load(max_upload=text).max_upload == size


TIMES = [("2", 2.0), ("0.5", 0.5), ("3s", 3.0), ("3 s", 3.0), ("2m", 120.0), ("1.5h", 5400.0), ("1d", 86400.0)]


@pytest.mark.parametrize(("text", "seconds"), TIMES)
def test_times_are_seconds_or_have_a_unit(text: str, seconds: float) -> None:
    assert config.load(job_timeout=text).job_timeout == seconds


BAD = [
    ("PORT", "eighty"),
    ("PORT", "65536"),
    ("PORT", "-1"),
    ("WORKERS", "0"),
    ("WORKERS", ""),
    ("WORKER_NICE", "20"),
    ("MAX_UPLOAD", "2 gigs"),
    ("MAX_UPLOAD", "0"),
    ("MAX_UPLOAD", "-5M"),
    ("MAX_UPLOAD", "9" * 400 + "G"),
    ("WORKER_MEMORY", "1e9"),
    ("MAX_ATTEMPTS", "0"),
    ("JOB_TIMEOUT", "soon"),
    ("JOB_TIMEOUT", "0"),
    ("JOB_TIMEOUT", "99999999d"),
    ("CHUNK_TIMEOUT", "1 week"),
    ("CHUNK_SIZE", "0"),
    ("RETENTION", "7 days"),
    ("RETENTION", "-1"),
    ("GRACE", "nan"),
    ("CHARTS", "perhaps"),
    ("LOG_FORMAT", "xml"),
]


@pytest.mark.parametrize(("name", "text"), BAD)
def test_a_bad_value_names_itself(monkeypatch: pytest.MonkeyPatch, name: str, text: str) -> None:
    monkeypatch.setenv(f"ROWMILL_{name}", text)
    with pytest.raises(BadConfig, match=f"^ROWMILL_{name}: ") as caught:
        config.load()
    assert str(caught.value).count("ROWMILL_") == 1
    assert " must be " in str(caught.value)


@pytest.mark.parametrize("url", ["foo", "mill.example.org", "ftp://x", "https://", "https://x:port", "https://x/?a=b"])
def test_a_public_url_is_an_address_of_the_web(url: str) -> None:
    with pytest.raises(BadConfig, match=r"^ROWMILL_PUBLIC_URL: must be an address such as https://"):
        config.load(public_url=url)


@pytest.mark.parametrize("url", ["foo", "http://mill.example.org/", "https:///x", "file://x"])
def test_a_source_is_an_address_that_can_be_fetched(url: str) -> None:
    with pytest.raises(BadConfig, match=r"^ROWMILL_SOURCES: .* is no address that begins with https:// or file:///"):
        config.load(sources=f"https://x/,{url}")


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("FETCH_HOSTS", "http://api.example.org/people", "is no host such as"),
        ("FETCH_HOSTS", "*.example.org", "is no host such as"),
        ("WEBHOOK_HOSTS", "ftp://10.0.0.5", "is no host such as"),
        ("UNSUBSCRIBE_URL", "http://example.org/{email}", "is no address that begins with"),
    ],
)
def test_of_several_hosts_or_addresses_the_wrong_one_is_named(name: str, value: str, says: str) -> None:
    right = "https://a.example" if name.endswith("HOSTS") else "https://a.example/x"
    with pytest.raises(BadConfig, match=f"^ROWMILL_{name}: '{re.escape(value)}' {says}"):
        config.load(**{name.lower(): f"{right},{value}"})


def test_an_address_of_the_operators_opens_no_other_of_its_host() -> None:
    settings = config.load(webhook_url="http://10.0.0.5:8000,http://10.0.0.6/hook", webhook_hosts="http://10.0.0.7")
    told = ["http://10.0.0.5:8000/", "http://10.0.0.6/hook", "http://10.0.0.7/any"]
    assert read_webhooks(told, config.trusted(settings))[1] == []
    others = ["http://10.0.0.5:8000/other", "http://10.0.0.6/", "http://10.0.0.6/hook?all"]
    assert [fault.code for fault in read_webhooks(others, config.trusted(settings))[1]] == ["bad_webhook"] * 3


def test_all_bad_values_are_named_at_once_wherever_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rowmill.toml").write_text("workers = 0\n")
    (tmp_path / ".env").write_text("ROWMILL_CHARTS=perhaps\n")
    monkeypatch.setenv("ROWMILL_PORT", "eighty")
    with pytest.raises(BadConfig) as caught:
        config.load(max_upload="much")
    named = {part.split(":")[0] for part in str(caught.value).split("; ")}
    assert named == {"ROWMILL_WORKERS", "ROWMILL_CHARTS", "ROWMILL_PORT", "ROWMILL_MAX_UPLOAD"}


@pytest.mark.parametrize("name", ["PORT", "WEBHOOK_URL", "SECRET", "WEBHOOK_SECRET"])
def test_a_bad_value_is_not_repeated_for_it_may_be_a_secret(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    monkeypatch.setenv(f"ROWMILL_{name}", "htps://x/hunter2")
    with pytest.raises(BadConfig) as caught:
        config.load()
    assert "hunter2" not in str(caught.value)


def test_unknown_settings_are_all_named_wherever_they_are(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "rowmill.toml").write_text("prot = 1\n")
    (tmp_path / ".env").write_text("ROWMILL_HOTS=1\nOTHER=1\nROWMILL_SERVER=http://127.0.0.1:9\n")
    monkeypatch.setenv("ROWMILL_WROKERS", "1")
    with pytest.raises(BadConfig, match="ROWMILL_HOTS, ROWMILL_PROT, ROWMILL_WROKERS") as caught:
        config.load()
    assert "OTHER" not in str(caught.value)
    assert "SERVER" not in str(caught.value), "that one is the command's"


@pytest.mark.parametrize("text", ["port = ", "port = 1\nport = 2\n", "[port\n"])
def test_a_toml_file_that_cannot_be_read_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / "rowmill.toml").write_text(text)
    with pytest.raises(BadConfig, match=r"^rowmill\.toml: .*(line|end of document)"):
        config.load()


@pytest.mark.parametrize("secret", ["short", f"{'x' * 32},short"])
def test_a_secret_that_could_be_guessed_is_refused(secret: str) -> None:
    with pytest.raises(BadConfig, match=r"^ROWMILL_SECRET: .*32 characters"):
        config.load(secret=secret)


@pytest.mark.parametrize("opener", [open_database, open_files, open_transport])
@pytest.mark.parametrize("url", ["carrier-pigeon://x", "nobody://x", "no url", "", "/a/path", "../x://y"])
def test_a_url_that_nothing_speaks_is_refused_in_a_sentence(opener: Any, url: str) -> None:
    with pytest.raises(
        BadConfig, match=r"^ROWMILL_(DATABASE|FILES|BROKER)_URL: .*(nothing here speaks|no usable scheme)"
    ):
        opener(url)


def test_a_mail_server_that_nothing_speaks_to_is_refused_by_the_name_of_its_setting() -> None:
    with pytest.raises(BadConfig, match=r"^ROWMILL_SMTP_URL: nothing here speaks pigeon://"):
        open_sender("pigeon://x")


def test_an_adapter_is_the_module_named_after_the_scheme() -> None:
    assert adapters.find("protocol.databases", "SQLite:///x").__name__ == "protocol.databases.sqlite"
    with pytest.raises(BadConfig, match="nothing here speaks"):
        adapters.find("protocol.databases", f"{socket.__name__}://x")
