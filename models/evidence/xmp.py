"""Read one property of an XMP packet (ISO 16684-1), with a parser that knows no entities."""

from __future__ import annotations

from contextlib import suppress
from xml.parsers import expat

_RDF, _DESCRIPTION, _RESOURCE = (
    f"http://www.w3.org/1999/02/22-rdf-syntax-ns# {name}"
    for name in ("RDF", "Description", "resource")
)
# Photographs' packets weigh a few KB, tens with a long history; what is larger is not read.
_MAX_BYTES = 2**20


def read_property(packet: bytes, name: str) -> str | None:
    """Return the value of a simple property that the packet states of the image itself.

    A property of something else that the packet speaks of (an ingredient, an earlier version) is
    not the image's, and a word in a text is no property.

    Args:
        packet: the serialised XMP.
        name: the property's namespace and name, with a space between.

    Returns:
        The first such property's value; None where there is none or the packet is broken before it.
    """
    if not 0 < len(packet) <= _MAX_BYTES:
        return None
    reader = _Reader(name)
    # Of a broken packet, what was read before the break stands.
    with suppress(expat.ExpatError, ValueError, LookupError):
        reader.parser.Parse(packet.rstrip(b"\0 \n"), True)
    return reader.value


class _Reader:
    """Follows the parser down to rdf:RDF/rdf:Description and looks at its properties only."""

    def __init__(self, name: str) -> None:
        self.value: str | None = None
        self._name = name
        self._path: list[str] = []
        self._text: list[str] | None = None
        self.parser = expat.ParserCreate(namespace_separator=" ")
        self.parser.StartDoctypeDeclHandler = self._refuse
        self.parser.StartElementHandler = self._start
        self.parser.EndElementHandler = self._end
        self.parser.CharacterDataHandler = self._characters

    @staticmethod
    def _refuse(*_: object) -> None:
        raise ValueError("XMP has no document type, and so no entities.")

    def _start(self, tag: str, attributes: dict[str, str]) -> None:
        # x:xmpmeta may stand around rdf:RDF, and nothing else.
        outer = self._path[-2:]
        if tag == _DESCRIPTION and outer[-1:] == [_RDF] and len(self._path) <= 2:
            self._take(attributes.get(self._name))
        elif tag == self._name and outer == [_RDF, _DESCRIPTION] and len(self._path) <= 3:
            self._take(attributes.get(_RESOURCE))
            self._text = []
        self._path.append(tag)

    def _end(self, tag: str) -> None:
        self._path.pop()
        if tag == self._name and self._text is not None:
            self._take("".join(self._text))
            self._text = None

    def _characters(self, text: str) -> None:
        if self._text is not None:
            self._text.append(text)

    def _take(self, value: str | None) -> None:
        if self.value is None and value and not value.isspace():
            self.value = value.strip()
