"""Files of a source folder as pieces of code in one language each. Knows file types, not what code means."""

import os
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from msgspec import Struct

from wsbook.errors import UnreadableInputError
from wsbook.parsers.code.env_files import EnvFile, read_env

__all__ = ["MAX_BYTES", "Code", "Folder", "belongs_to_code", "codes_of", "language_of", "read_folder"]

MAX_BYTES = 1_000_000
_MAX_FILES = 2_000
_MAX_TOTAL_BYTES = 30_000_000
_SKIPPED_FOLDERS = frozenset(
    ("node_modules", ".git", ".hg", ".svn", "venv", ".venv", "__pycache__", "site-packages", "vendor", "bower_components", "coverage")
)
_BUILT_FOLDERS = frozenset(("dist", "build", "out", ".next", ".nuxt", "target"))
"""What a build makes is read only when nothing else is there."""

_LANGUAGES = {
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "tsx"),  # its grammar takes JavaScript too, and names kinds alike
    **dict.fromkeys((".ts", ".mts", ".cts"), "typescript"),
    ".tsx": "tsx",
    **dict.fromkeys((".vue", ".svelte", ".html", ".htm", ".astro"), "html"),
    ".py": "python",
    ".go": "go",
    ".java": "java",
    ".kt": "kotlin",
    ".cs": "csharp",
    **dict.fromkeys((".ex", ".exs"), "elixir"),
    ".rb": "ruby",
    ".rs": "rust",
    ".php": "php",
    ".dart": "dart",
    ".swift": "swift",
    **dict.fromkeys((".cpp", ".cc", ".hpp"), "cpp"),
}
_COMMANDS = re.compile(
    r"(?:Dockerfile|Containerfile)(?:\..*)?|.*\.dockerfile|(?:docker-)?compose(?:\..*)?\.ya?ml|Procfile|.*\.service|package\.json|.*\.sh|gunicorn\.conf\.py"
    r"|(?:.*[-_.])?(?:deploy\w*|k8s|kube\w*|statefulset|service|app(?!lication)|web|stack|values|render|pod|workload|manifest)[\w.-]*\.ya?ml"
    r"|supervisord?[\w.-]*\.(?:conf|ini)|uwsgi[\w.-]*\.(?:ini|ya?ml)|fly\.toml|Makefile|justfile|limits[\w.-]*\.conf",
    re.IGNORECASE,
)
_ENV = re.compile(r"\.env(?:\.[\w.-]+)?")
_MANIFESTS = re.compile(r"package\.json|requirements[\w.-]*\.txt|pyproject\.toml|Pipfile|pom\.xml|build\.gradle(?:\.kts)?", re.IGNORECASE)
_SETTINGS = re.compile(r"(?:application|bootstrap)(?:-\w+)?\.(?:properties|ya?ml)|appsettings(?:\.\w+)?\.json", re.IGNORECASE)
_RUNTIME = re.compile(r"[\w.-]*(?:config|env|environment|settings|runtime|endpoints)[\w.-]*\.json", re.IGNORECASE)
"""JSON that a page may fetch or import; those that configure tools are not read."""

_TOOLS = re.compile(
    r"(?:ts|js)config|package|lock|manifest|eslint|prettier|babel|jest|vercel|renovate|turbo|nx|angular|appsettings", re.IGNORECASE
)
_TESTS = re.compile(
    r"(?:^|/)(?:tests?|__tests__|spec|e2e|cypress|fixtures|__mocks__)/|\.(?:test|spec|stories|d)\.[cm]?[jt]sx?$|(?:^|/)test_\w+\.py$"
)
_LOADED = re.compile(r"<script\b[^>]{0,500}\bsrc\s*=[^>]{0,1000}>", re.IGNORECASE)
_SCRIPT = re.compile(r"<script\b([^>]*)>(.*?)</script\s*>", re.DOTALL | re.IGNORECASE)


class Code(Struct, frozen=True, kw_only=True):
    """A piece of code in one language. line: of its first line in the file, 1-based."""

    artifact: str
    language: str
    text: str
    line: int = 1


class Folder(Struct, frozen=True, kw_only=True):
    """What was read. env: the ``.env*`` files. commands: texts that start programs. manifests: texts that name packages, and settings.

    skipped: files too large or too many.
    """

    codes: tuple[Code, ...] = ()
    env: tuple[EnvFile, ...] = ()
    commands: tuple[Code, ...] = ()
    manifests: tuple[Code, ...] = ()
    size_bytes: int = 0
    skipped: int = 0


def language_of(artifact: str) -> str:
    """Return the language by the file's name: as ast-grep names it, html for files with script blocks, "" for others."""
    name = Path(artifact).name
    if _COMMANDS.fullmatch(name):
        return "command"
    if _SETTINGS.fullmatch(name) or _MANIFESTS.fullmatch(name):
        return "manifest"
    if _RUNTIME.fullmatch(name) and not _TOOLS.search(name):
        return "json"
    return _LANGUAGES.get(Path(artifact).suffix.lower(), "")


def belongs_to_code(file: Path) -> str:
    """Return "code" for a piece of a program, "beside" for what starts it or names what it needs, "" for neither."""
    if _ENV.fullmatch(file.name) or language_of(file.name) in ("command", "manifest"):
        return "beside"
    return "code" if language_of(file.name) not in ("", "json") else ""


def codes_of(text: str, artifact: str, language: str = "") -> list[Code]:
    """Return the pieces of a file: one, or each script block of a page or component."""
    language = language or language_of(artifact)
    if language == "json":
        return [Code(artifact=artifact, language="tsx", text=f"export default {text}")]
    if language != "html":
        return [Code(artifact=artifact, language=language, text=text)]
    found = []
    for match in _SCRIPT.finditer(text):
        typed = re.search(r"lang=[\"']?tsx?|type=[\"']?text/typescript", match[1])
        if not re.search(r"type=[\"']?(?:application/(?:ld\+)?json|importmap|text/template)", match[1]):
            line = text.count("\n", 0, match.start(2)) + 1
            found.append(Code(artifact=artifact, language="typescript" if typed else "tsx", text=match[2], line=line))
    return found


def _walk(top: Path, *, built: bool) -> Iterator[Path]:
    """Yield regular files below top, never through links, in a stable order."""
    for folder, names, files in os.walk(top, followlinks=False):
        hidden = {n for n in names if n in _SKIPPED_FOLDERS or (not built and n in _BUILT_FOLDERS)}
        names[:] = sorted(n for n in names if n not in hidden and not Path(folder, n).is_symlink())
        for name in sorted(files):
            path = Path(folder, name)
            if (language_of(name) or _ENV.fullmatch(name)) and path.is_file() and not path.is_symlink():
                yield path


def _read(path: Path) -> str | None:
    try:
        with path.open("rb") as file:
            raw = file.read(MAX_BYTES + 1)
    except OSError:
        return None
    return None if len(raw) > MAX_BYTES or b"\0" in raw[:4096] else raw.decode("utf-8", "replace")


def read_folder(paths: Iterable[str]) -> Folder:
    """Return the code below paths, 2,000 files, 1 MB each and 30 MB together; tests are left out.

    Raises:
        UnreadableInputError: a path does not exist.
    """
    kept: dict[str, list[Code]] = {"codes": [], "command": [], "manifest": []}
    env: list[EnvFile] = []
    size = skipped = 0
    count = 0
    for path in _files(paths):
        text = _read(path) if count < _MAX_FILES and size < _MAX_TOTAL_BYTES else None
        if text is None:
            skipped += 1
        elif _ENV.fullmatch(path.name):
            env.append(read_env(text, str(path)))
        else:
            size, count = size + len(text), count + 1
            language = language_of(path.name)
            kept.get(language, kept["codes"]).extend(codes_of(text, str(path)))
            if language == "html":
                kept["manifest"].append(Code(artifact=str(path), language="manifest", text="\n".join(_LOADED.findall(text)[:200])))
    manifests = [*kept["manifest"], *(c for c in kept["command"] if _MANIFESTS.fullmatch(Path(c.artifact).name))]
    return Folder(
        codes=tuple(kept["codes"]),
        env=tuple(env),
        commands=tuple(kept["command"]),
        manifests=tuple(manifests),
        size_bytes=size,
        skipped=skipped,
    )


def _files(paths: Iterable[str]) -> Iterator[Path]:
    for given in paths:
        top = Path(given)
        if not top.exists():
            raise UnreadableInputError(f"{given}: no such file or folder")
        if top.is_file():
            yield top
            continue
        inside = [p for p in _walk(top, built=False) if not _TESTS.search(p.relative_to(top).as_posix())]
        yield from inside if any(not _ENV.fullmatch(p.name) for p in inside) else _walk(top, built=True)
