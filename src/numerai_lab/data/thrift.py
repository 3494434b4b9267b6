"""Thrift's compact protocol, as far as parquet footers go: structs, lists, numbers and texts.

Source: https://github.com/apache/thrift/blob/master/doc/specs/thrift-compact-protocol.md
"""

from __future__ import annotations

from collections.abc import Callable

I32, I64, BINARY, LIST, STRUCT = 5, 6, 8, 9, 12
"""Kinds of values, as field headers name them."""

_FIXED_BYTES = {1: 1, 2: 1, 3: 1, 7: 8}

Visit = Callable[[bytes, int], int]
"""Walks over what begins at a position, and returns where it ends."""
Span = tuple[int, int]


def field_header(distance: int, kind: int) -> bytes:
    """Write what stands before a value: the distance to the last field's number, and its kind."""
    return bytes([distance << 4 | kind])


def unsigned(number: int) -> bytes:
    """Write a number from 0 on, seven bits a byte."""
    found = bytearray()
    while number > 127:
        found.append(number & 127 | 128)
        number >>= 7
    return bytes([*found, number])


def zigzag(number: int) -> bytes:
    """Write a signed number that is not negative."""
    return unsigned(number << 1)


def list_field(distance: int, n: int, structs: bytes) -> bytes:
    """Write a list of `n` structs with its header."""
    return field_header(distance, LIST) + bytes([15 << 4 | STRUCT]) + unsigned(n) + structs


def binary_field(*texts: bytes) -> bytes:
    """Write texts as neighbouring fields."""
    return b"".join(field_header(1, BINARY) + unsigned(len(text)) + text for text in texts)


def varint(data: bytes, at: int) -> tuple[int, int]:
    """Read a number from 0 on; return where it ends, too."""
    number, shift = 0, 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number, at
        shift += 7


def unzigzag(data: bytes, at: int) -> int:
    """Read a signed number."""
    number, _ = varint(data, at)
    return (number >> 1) ^ -(number & 1)


def read_struct(data: bytes, at: int, visit: dict[int, Visit]) -> tuple[dict[int, Span], int]:
    """Return where each field's value is, by number, and where the struct ends.

    Fields in `visit` are walked over by that function.
    """
    spans: dict[int, Span] = {}
    number = 0
    while head := data[at]:
        at += 1
        if head >> 4:
            number += head >> 4
        else:
            number, at = unzigzag(data, at), varint(data, at)[1]
        first = at
        kind = head & 15
        if number in visit:
            at = visit[number](data, at)
        elif kind > 2:  # truth values are in the header itself
            at = _skip(data, at, kind)
        spans[number] = (first, at)
    return spans, at + 1


def each(data: bytes, at: int, visit: Visit) -> int:
    """Walk over a list of structs."""
    head = data[at]
    n, at = varint(data, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
    for _ in range(n):
        at = visit(data, at)
    return at


def _skip(data: bytes, at: int, kind: int) -> int:
    if kind in (4, I32, I64):
        while data[at] > 127:
            at += 1
        return at + 1
    if kind == BINARY:
        n, at = varint(data, at)
        return at + n
    if kind == STRUCT:
        return skip_struct(data, at)
    if kind in (LIST, 10):
        head = data[at]
        n, at = varint(data, at + 1) if head >> 4 == 15 else (head >> 4, at + 1)
        for _ in range(n):
            at = _skip(data, at, head & 15)
        return at
    if kind in _FIXED_BYTES:
        return at + _FIXED_BYTES[kind]
    raise ValueError(f"the footer has a value of unknown kind {kind}")


def skip_struct(data: bytes, at: int) -> int:
    """Walk over a struct: what nearly all of a footer's time goes to, hence written out."""
    while head := data[at]:
        at += 1
        if head < 16:
            _, at = varint(data, at)
        kind = head & 15
        if 4 <= kind <= I64:
            while data[at] > 127:
                at += 1
            at += 1
        elif kind == BINARY:
            n = data[at]
            if n > 127:
                n, at = varint(data, at)
                at += n
            else:
                at += n + 1
        elif kind == STRUCT:
            at = skip_struct(data, at)
        elif kind > 2:
            at = _skip(data, at, kind)
    return at + 1
