"""Pack the built extension for the stores: ``python extension/pack.py``.

Firefox also wants the sources, because the build bundles them. The same files give the same bytes:
entries are sorted, and have one time and one mode.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXTENSION = ROOT / "extension"
OUTPUT = EXTENSION / ".output"

_TIME = (1980, 1, 1, 0, 0, 0)  # the first that a ZIP can hold
_MODE = 0o644
_NO_SOURCES = {"node_modules", "tests", "screenshots", "screenshot.jpg"}


def pack(entries: Mapping[str, bytes], target: Path) -> Path:
    """Write a ZIP.

    Args:
        entries: the content of each file, by its name in the ZIP, in any order.
        target: the ZIP's path.

    Returns:
        The ZIP's path.
    """
    with zipfile.ZipFile(target, "w") as archive:
        for name, content in sorted(entries.items()):
            entry = zipfile.ZipInfo(name, _TIME)
            entry.external_attr = _MODE << 16
            entry.create_system = 3  # Unix, on every machine
            archive.writestr(entry, content, zipfile.ZIP_DEFLATED, compresslevel=9)
    return target


def read(files: Iterable[Path], root: Path) -> dict[str, bytes]:
    """Return the content of files by their names within a folder."""
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in files}


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
        entries = read((path for path in built.rglob("*") if path.is_file()), built)
        manifest = json.loads(entries["manifest.json"])
        # The store has a key of its own, and refuses packages with one.
        manifest.pop("key", None)
        entries["manifest.json"] = json.dumps(manifest, ensure_ascii=False).encode()
        version = manifest["version"]
        packed.append(pack(entries, output / f"assay-{browser}-{version}.zip"))
    packed.append(pack(read(sources(), ROOT), output / f"assay-firefox-{version}-sources.zip"))
    return packed


if __name__ == "__main__":
    for path in main():
        print(f"{path.relative_to(ROOT)}: {path.stat().st_size / 1000:,.0f} kB")
