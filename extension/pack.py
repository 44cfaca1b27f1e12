"""Pack the built extension for the stores: ``python extension/pack.py``.

Firefox also wants the sources, because the build bundles them. The same files give the same bytes:
entries are sorted, and have one time and one mode.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "extension"
OUTPUT = EXTENSION / ".output"

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can hold
_MODE = 0o644
_NO_SOURCES = {"node_modules", "tests", "screenshots", "screenshot.jpg"}


def pack(files: Iterable[Path], root: Path, target: Path) -> Path:
    """Write a ZIP.

    Args:
        files: what goes in, in any order.
        root: the folder that the names in the ZIP begin in.
        target: the ZIP's path.

    Returns:
        The ZIP's path.
    """
    entries = {path.relative_to(root).as_posix(): path for path in files}
    with zipfile.ZipFile(target, "w") as archive:
        for name, path in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _MODE << 16
            entry.create_system = 3  # Unix, on every machine
            archive.writestr(entry, path.read_bytes(), zipfile.ZIP_DEFLATED, compresslevel=9)
    return target


def sources() -> Iterator[Path]:
    """Yield what the build needs: ``extension/``, and the version in ``pyproject.toml``."""
    yield ROOT / "pyproject.toml"
    for path in EXTENSION.rglob("*"):
        top = path.relative_to(EXTENSION).parts[0]
        is_source = top not in _NO_SOURCES and (top == ".npmrc" or not top.startswith("."))
        if is_source and path.is_file():
            yield path


def main(output: Path = OUTPUT) -> list[Path]:
    """Write the ZIPs of both browsers and the sources, and return their paths."""
    packed = []
    for browser in ("chrome", "firefox"):
        built = OUTPUT / f"{browser}-mv3"
        version = json.loads((built / "manifest.json").read_text())["version"]
        files = (path for path in built.rglob("*") if path.is_file())
        packed.append(pack(files, built, output / f"assay-{browser}-{version}.zip"))
    packed.append(pack(sources(), ROOT, output / f"assay-firefox-{version}-sources.zip"))
    return packed


if __name__ == "__main__":
    for path in main():
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:,.0f} kB")
