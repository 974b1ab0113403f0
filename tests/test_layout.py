"""The house rules that a program can check: who imports what, how long things are, what starting loads."""

from __future__ import annotations

import ast
import re
import statistics
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = ("protocol", "service", "consumer", "client")
FOLDERS = (*PACKAGES, "tests", "docs", "examples", "samples", "benchmarks", ".ci")
SOURCES = [*sorted(path for package in PACKAGES for path in (ROOT / package).rglob("*.py")), ROOT / "rowmill.py"]

# Where each third-party library may be imported: files, or folders that end with a slash.
PANDAS = (
    "consumer/tables/",
    "consumer/exact/",
    "consumer/kinds/",
    "consumer/native/",
    "consumer/parts/",
    "consumer/pool/",
    "consumer/profiling/",
    "consumer/trials.py",
)
HOMES: dict[str, tuple[str, ...]] = {
    "aio_pika": ("protocol/transports/amqp/",),
    "aiohttp": ("service/", "client/", "consumer/http/browsing.py"),
    "aiosmtplib": ("consumer/mailers/",),
    "aiosqlite": ("protocol/databases/sqlite.py",),
    "backports": ("protocol/intake/unpacking.py",),
    "clevercsv": ("protocol/intake/heading.py",),
    "jinja2": ("service/pages/", "consumer/mails/"),
    "jsonschema": ("protocol/submission.py",),
    "multipart": ("service/submissions/form.py",),
    "numpy": (*PANDAS, "consumer/executors/forkserver.py"),
    "obstore": ("protocol/files/",),
    "pandas": PANDAS,
    "prometheus_client": ("protocol/metrics.py", "service/metrics.py", "consumer/metrics.py"),
    "pyarrow": PANDAS,
    "pydantic": ("protocol/", "service/", "consumer/", "client/"),
    "pydantic_settings": ("protocol/config.py",),
    "python_calamine": ("consumer/tables/formats/xlsx.py",),
    "rich": ("client/screen.py",),
    "sqlalchemy": ("protocol/records/",),
    "structlog": ("protocol/log.py",),
    "typer": ("client/commands.py", "client/operators.py", "rowmill.py"),
    "vl_convert": ("consumer/pool/charts.py", "service/pages/vega.py"),
}
POSSESSIVE_GROUP = re.compile(r"\)(?:[*+?]|\{[^}]*\})\+")
# Parts of a library that come under a name of their own, or did so later; at home where it is.
PARTS = {
    "aiormq": "aio_pika",
    "compression": "backports",
    "markupsafe": "jinja2",
    "multidict": "aiohttp",
    "pamqp": "aio_pika",
    "yarl": "aiohttp",
}
COMES_WITH = {"numpy": "pandas"}
LONGEST_FILE, LONGEST_BODY, USUAL_BODY, MEDIAN_BODY = 250, 40, 20, 6
PANDAS_AND_MORE = {"numpy", "pandas", "pyarrow", "vl_convert"}
EMPTY_WORDS = {"utils", "util", "helpers", "helper", "common", "base", "manager", "managers", "misc"}

Function = ast.FunctionDef | ast.AsyncFunctionDef


def place(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def imports(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text())):
        modules = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            modules = [node.module]
        for name in (module.partition(".")[0] for module in modules):
            yield PARTS.get(name, name)


def bodies(path: Path) -> Iterator[tuple[str, int]]:
    """Each function with the lines of its body; those of a docstring and of nested functions' own count too."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, Function):
            statements = node.body[1:] if ast.get_docstring(node) else node.body
            lines = (node.end_lineno or 0) - statements[0].lineno + 1 if statements else 0
            yield f"{place(path)}:{node.lineno} {node.name}", lines


def test_imports_go_down_only() -> None:
    command = [sys.executable, "-c", "import sys; from importlinter.cli import lint_imports; sys.exit(lint_imports())"]
    linted = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_each_library_is_imported_at_home_only(path: Path) -> None:
    foreign = {name for name in imports(path) if name not in sys.stdlib_module_names and name not in PACKAGES}
    strays = {name for name in foreign if not place(path).startswith(HOMES.get(name, ()))}
    assert not strays


def test_nothing_imports_the_composition_root() -> None:
    assert [place(path) for path in SOURCES if "rowmill" in imports(path)] == []


def test_a_file_among_the_kinds_is_a_kind() -> None:
    files = {path for path in SOURCES if path.parent == ROOT / "consumer" / "kinds"}
    others = {path.name for path in files if "\nKIND = Kind(" not in path.read_text()}
    assert others == {"__init__.py", "testing.py"}


def test_every_library_in_use_is_declared() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    declared = {
        re.split(r"[^a-z0-9-]", line)[0].replace("-", "_").removesuffix("_python") for line in project["dependencies"]
    }
    used = {COMES_WITH.get(name, name) for path in SOURCES for name in imports(path) if name in HOMES}
    assert used <= declared


def test_no_file_is_too_long() -> None:
    scripts = (ROOT / "service" / "pages" / "static").glob("*.js")
    assert [place(path) for path in (*SOURCES, *scripts) if len(path.read_text().splitlines()) > LONGEST_FILE] == []


def test_functions_are_short() -> None:
    lengths = {name: lines for path in SOURCES for name, lines in bodies(path)}
    assert [name for name, lines in lengths.items() if lines > LONGEST_BODY] == []
    assert statistics.median(lengths.values()) <= MEDIAN_BODY
    assert statistics.quantiles(lengths.values(), n=10)[-1] <= USUAL_BODY


@pytest.mark.parametrize("path", SOURCES, ids=place)
def test_no_pattern_repeats_a_group_possessively(path: Path) -> None:
    """Python before 3.11.5 takes too much there (gh-106052); an atomic group, `(?>(?:ab)*)`, says the same."""
    texts = (node.value for node in ast.walk(ast.parse(path.read_text())) if isinstance(node, ast.Constant))
    patterns = (text.decode(errors="replace") if isinstance(text, bytes) else text for text in texts)
    assert not [text for text in patterns if isinstance(text, str) and POSSESSIVE_GROUP.search(text)]


def test_no_module_has_an_empty_name() -> None:
    assert [place(path) for path in SOURCES if path.stem in EMPTY_WORDS or path.parent.name in EMPTY_WORDS] == []


def test_every_module_says_what_it_is_for() -> None:
    assert [place(path) for path in SOURCES if not ast.get_docstring(ast.parse(path.read_text()))] == []


@pytest.mark.parametrize("document", ["README.md", "ARCHITECTURE.md"])
def test_what_a_document_names_is_there(document: str) -> None:
    text = (ROOT / document).read_text()
    named = {*re.findall(r"`([\w./-]+\.(?:js|md|py))\b", text), *re.findall(r"`(\w[\w/-]*/)`", text)}
    ours = {f"/{place(path)}" for folder in FOLDERS for path in (ROOT / folder).rglob("*")}
    ours |= {f"/{place(path)}" for path in ROOT.iterdir()}
    assert [name for name in sorted(named) if not any(path.endswith("/" + name.rstrip("/")) for path in ours)] == []
    linked = {address for address in re.findall(r"\]\(([^)#]+)", text) if "://" not in address}
    assert [address for address in sorted(linked) if not (ROOT / address).exists()] == []


@pytest.mark.parametrize("name", ["requirements.lock", "requirements-dev.lock", "requirements-bench.lock"])
def test_a_lock_file_has_a_hash_for_everything_and_no_address(name: str) -> None:
    text = (ROOT / name).read_text()
    entries = [entry for entry in re.split(r"\n(?=\S)", text) if not entry.startswith("#")]
    assert entries
    assert [
        entry.split()[0] for entry in entries if not re.match(r"[\w.-]+==\S+.*--hash=sha256:", entry, re.DOTALL)
    ] == []
    assert "://" not in text
    assert "index-url" not in text


def test_the_dev_lock_pins_what_the_runtime_lock_pins() -> None:
    pins = [
        set(re.findall(r"^[\w.-]+==\S+", (ROOT / f"requirements{name}.lock").read_text(), re.MULTILINE))
        for name in ("", "-dev")
    ]
    assert pins[0] <= pins[1]


def test_importing_the_command_is_cheap() -> None:
    """Worker processes may import it again as their __main__."""
    code = (
        "import sys, rowmill;"
        "heavy = {'pandas', 'numpy', 'pyarrow', 'aiohttp', 'aio_pika', 'pydantic', 'rich', 'structlog'};"
        "print(*heavy & {*sys.modules})"
    )
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []


PARENT = ("rowmill", "client.exits", "protocol.log", "protocol.metrics", "service.app", "consumer.app")
ADAPTERS = (
    "protocol.transports.embedded",
    "protocol.databases.sqlite",
    "protocol.files.objects",
    "consumer.mailers.file",
)
SELDOM = {
    "aiohttp",
    "clevercsv",
    "obstore",
    "pydantic_settings",
    "python_calamine",
    "sqlalchemy",
    "structlog",
    "vl_convert",
}


@pytest.mark.parametrize(
    ("modules", "heavy"),
    [
        ((*PARENT, *ADAPTERS), PANDAS_AND_MORE | {"aio_pika", "aiosmtplib", "clevercsv", "sqlalchemy"}),
        (("consumer.pool.handful", "protocol.files.file"), SELDOM),
    ],
    ids=["rowmill up", "a worker"],
)
def test_starting_loads_nothing_that_not_every_start_needs(modules: tuple[str, ...], heavy: set[str]) -> None:
    code = f"import sys, {', '.join(modules)}; print(*{heavy!r} & {{*sys.modules}})"
    run = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert run.stdout.split() == []
