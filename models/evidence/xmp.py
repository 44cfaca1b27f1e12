"""Reads properties of an XMP packet (ISO 16684-1). Document types and entities are rejected.

It uses expat directly. defusedxml is ten times as slow on a hostile packet of 1 MiB, because it
builds a tree in Python.
"""

from __future__ import annotations

from collections.abc import Collection
from contextlib import suppress
from xml.parsers import expat

_RDF, _DESCRIPTION, _RESOURCE = (
    f"http://www.w3.org/1999/02/22-rdf-syntax-ns# {name}"
    for name in ("RDF", "Description", "resource")
)
# Packets of photographs have a few KB, with a long history tens of KB. Larger ones are not read.
_MAX_BYTES = 2**20


def read_properties(packet: bytes, names: Collection[str]) -> dict[str, str]:
    """Return the values of simple properties of the image itself.

    Properties of other resources in the packet (an ingredient, an earlier version) do not count.
    Of a list or of alternatives in several languages, the texts are joined.

    Args:
        packet: the serialised XMP.
        names: each property's namespace and name, separated by a space.

    Returns:
        The first value of each property that is there. If the packet is broken, those before the
        break.
    """
    if not 0 < len(packet) <= _MAX_BYTES:
        return {}
    reader = _Reader(names)
    with suppress(expat.ExpatError, ValueError, LookupError):
        reader.parser.Parse(packet.rstrip(b"\0 \n"), True)
    return reader.values


class _Reader:
    """Finds the properties in rdf:RDF/rdf:Description."""

    def __init__(self, names: Collection[str]) -> None:
        self.values: dict[str, str] = {}
        self._names = names
        self._path: list[str] = []
        self._text: list[str] = []
        self._within = ""
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._reject
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    @staticmethod
    def _reject(*_: object) -> None:
        raise ValueError("XMP must not have a document type.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        # The only allowed parent of rdf:RDF is x:xmpmeta.
        outer = self._path[-2:]
        if tag == _DESCRIPTION and outer[-1:] == [_RDF] and len(self._path) <= 2:
            for name in self._names:
                self._take(name, attributes.get(name))
        elif tag in self._names and outer == [_RDF, _DESCRIPTION] and len(self._path) <= 3:
            self._take(tag, attributes.get(_RESOURCE))
            self._within, self._text = tag, []
        self._path.append(tag)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if tag == self._within:
            self._take(tag, "".join(self._text))
            self._within = ""

    def _characters(self, text: str) -> None:
        if self._within:
            self._text.append(text)

    def _take(self, name: str, value: str | None) -> None:
        if name not in self.values and value and not value.isspace():
            self.values[name] = value.strip()
