"""GIF (GIF89a specification). XMP lies in an application extension (XMP specification, part 3)."""

from __future__ import annotations

from models.container.parts import MAX_FRAMES, Container

_EXTENSION, _IMAGE = 0x21, 0x2C
_GRAPHIC_CONTROL, _COMMENT, _APPLICATION = 0xF9, 0xFE, 0xFF
_XMP_MARK = b"\x0bXMP DataXMP"
# The packet is not split into sub-blocks. 258 bytes after it lead every reader to the end.
_XMP_TRAILER = 258


def read_gif(data: bytes) -> Container:
    """Keep the screen and the first image with its graphic control. Count the images.

    Also read the first comment, and XMP.
    """
    position = 13 + _colour_table(data[10])
    screen, control, first, frames = data[:position], b"", b"", 0
    comment = xmp = b""
    try:
        while frames < MAX_FRAMES:
            start, kind = position, data[position]
            if kind == _EXTENSION:
                position = _after_sub_blocks(data, start + 2)
                body = start + 2
                if not first and data[start + 1] == _GRAPHIC_CONTROL:
                    control = data[start:position]
                elif data[start + 1] == _COMMENT and not comment:
                    comment = _joined(data, body)
                elif data[start + 1] == _APPLICATION and data.startswith(_XMP_MARK, body):
                    xmp = xmp or data[body + len(_XMP_MARK) : position - _XMP_TRAILER]
            elif kind == _IMAGE:
                pixels = start + 11 + _colour_table(data[start + 9])
                first = first or data[start:pixels] + _sub_blocks(data, pixels)
                frames += 1
                position = _after_sub_blocks(data, pixels)
            else:  # the trailer. Browsers end here at any other byte too.
                break
    except IndexError:
        if not first:
            raise
    return Container(screen + control + first + b";", frames=frames, xmp=xmp, comment=comment)


def _colour_table(flags: int) -> int:
    """Return the length of a colour table in bytes."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while size := data[position]:
        position += size + 1
    return position + 1


def _joined(data: bytes, position: int) -> bytes:
    """Return the content of whole sub-blocks."""
    parts = []
    while size := data[position]:
        parts.append(data[position + 1 : position + 1 + size])
        position += size + 1
    return b"".join(parts)


def _sub_blocks(data: bytes, start: int) -> bytes:
    """Return the sub-blocks with their terminator. If the file ends early, close the last one.

    A file without the terminator may still hold all pixels. The decoder finds out.
    """
    position = start
    while position < len(data) and (size := data[position]):
        end = position + size + 1
        if end > len(data):
            rest = data[position + 1 :]
            return data[start:position] + bytes((len(rest),)) + rest + (b"\0" if rest else b"")
        position = end
    return data[start:position] + b"\0"
