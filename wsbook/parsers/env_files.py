"""The variables of ``.env*`` files: which file wins in which mode of which build tool. Knows no code."""

import posixpath
import re
from collections.abc import Iterable

from msgspec import Struct

__all__ = ["EnvFile", "build_variables", "environment", "read_env"]

_REFERENCE = re.compile(r"(?<!\\)\$(?:\{(\w{1,100})(?::?-([^}]*))?\}|(\w{1,100}))")
_SET = re.compile(
    r"""(?:^|[\s"'])((?:VITE|REACT_APP|NEXT_PUBLIC|NUXT_PUBLIC|VUE_APP|PUBLIC|EXPO_PUBLIC|GATSBY)_\w{1,80})\s*[=:]\s*("[^"\n]+"|'[^'\n]+'|[^\s"'\n]+)""",
    re.MULTILINE,
)
_UNREAD = re.compile(r"example|sample|template|test|dist\b|defaults?$")


class EnvFile(Struct, frozen=True, kw_only=True):
    """One file. folder: with slashes, "" unknown."""

    folder: str
    name: str
    variables: dict[str, str]


def read_env(text: str, artifact: str) -> EnvFile:
    """Return the variables of one file."""
    folder, name = posixpath.split(artifact.replace("\\", "/"))
    found = {}
    for line in text.splitlines()[:2000]:
        match = re.match(r"\s*(?:export\s+)?(\w{1,100})\s*=\s*(.*?)\s*$", line)
        if match:
            quoted = re.match(r"""(["'`])(.*?)\1""", match[2])
            found[match[1]] = (quoted[2] if quoted else re.split(r"\s+#", match[2])[0].strip())[:2000]
    return EnvFile(folder=folder, name=name, variables=found)


def build_variables(texts: Iterable[str]) -> dict[str, str]:
    """Return the public variables that Dockerfiles, compose files and scripts set for a build; those set to several values are left out.

    A variable of the process beats every file (https://vite.dev/guide/env-and-mode).
    """
    found: dict[str, set[str]] = {}
    for text in texts:
        for name, value in _SET.findall(text[:500_000]):
            found.setdefault(name, set()).add(value.strip("\"'"))
    return {name: next(iter(values)) for name, values in found.items() if len(values) == 1 and not any("$" in value for value in values)}


def environment(files: Iterable[EnvFile], folder: str, *, development: bool, local_first: bool) -> dict[str, str] | None:
    """Return what a build in a folder knows: the files of the nearest folder at or above it that has any; None without one.

    development: mode development, else production. local_first: .env.local beats .env.production, as in Next.js; in Vite and Create React
    App the file of the mode beats it (https://vite.dev/guide/env-and-mode, https://nextjs.org/docs/app/guides/environment-variables).
    """
    given = [f for f in files if not _UNREAD.search(f.name)]
    near = max(
        (f.folder for f in given if folder == f.folder or f.folder == "" or folder.startswith(f.folder + "/")), key=len, default=None
    )
    if near is None:
        return None
    ranked = [(rank, f) for f in given if f.folder == near and (rank := _rank(f.name, development, local_first))]
    merged: dict[str, str] = {}
    for _, file in sorted(ranked, key=lambda entry: entry[0]):
        merged |= file.variables
    return {name: _expanded(value, merged) for name, value in merged.items()}


def _rank(name: str, development: bool, local_first: bool) -> int:
    """Order by what wins last; 0: not read in this mode."""
    if name == ".env":
        return 1
    if name == ".env.local":
        return 3 if local_first else 2
    mode = re.match(r"\.env\.(\w+?)(\.local)?$", name)
    if mode is None:
        return 0
    is_development = mode[1].startswith("dev")
    if not is_development and not mode[1].startswith("prod"):
        return 0
    return 0 if is_development != development else 4 if mode[2] else 3 if not local_first else 2


def _expanded(value: str, known: dict[str, str]) -> str:
    """Return a value with ${NAME} replaced, as dotenv-expand does; an unknown name is left as it is."""
    return _REFERENCE.sub(lambda m: known.get(m[1] or m[3], m[2] if m[2] is not None else m[0]), value)[:2000]
