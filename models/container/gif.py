"""GIF (GIF89a specification)."""

from __future__ import annotations

from models.container.parts import MAX_FRAMES, Container

_EXTENSION, _IMAGE, _GRAPHIC_CONTROL = 0x21, 0x2C, 0xF9


def read_gif(data: bytes) -> Container:
    """Keep the screen and the first image with its graphic control. Count the images."""
    position = 13 + _colour_table(data[10])
    screen, control, first, frames = data[:position], b"", b"", 0
    try:
        while frames < MAX_FRAMES:
            start, kind = position, data[position]
            if kind == _EXTENSION:
                position = _after_sub_blocks(data, start + 2)
                if not first and data[start + 1] == _GRAPHIC_CONTROL:
                    control = data[start:position]
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
    return Container(screen + control + first + b";", frames=frames)


def _colour_table(flags: int) -> int:
    """Return the length of a colour table in bytes."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_sub_blocks(data: bytes, position: int) -> int:
    while size := data[position]:
        position += size + 1
    return position + 1


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
