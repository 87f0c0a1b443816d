#!/usr/bin/env python3
"""Turns Jane Austen's six novels into one text file, one paragraph a line.

    apt-get download r-cran-janeaustenr && dpkg -x r-cran-janeaustenr_*.deb x
    python prepare_text.py x/usr/lib/R/site-library/janeaustenr/data/Rdata.rdb text.txt

The source is Debian's package r-cran-janeaustenr 1.0.0-1 (MIT, Julia Silge); the novels (1811 to 1818) are in the
public domain. R is not needed: an .rdb file is a row of a big-endian uint32 length and a zlib stream of R's XDR
serialization, and a novel in it is one character vector, an element for each printed line.
"""

import re
import struct
import sys
import zlib
from collections.abc import Iterator

STRING_VECTOR = b"\0\0\0\x10"  # R's STRSXP
STRING = 9  # R's CHARSXP
SHORTEST_NOVEL = 5000  # lines; the other objects are short
HEADING = r"(CHAPTER|Chapter|VOLUME|Volume|FINIS|THE END|Finis|END OF)\b"
PLAIN = {
    "\u2018": "'", "\u2019": "'", "\u201c": '"', "\u201d": '"', "\u2014": "--", "\u00e9": "e", "\u00e8": "e", "\u00ea": "e",
    "\u00e0": "a", "\u00ef": "i", "\u0153": "oe", "\u00e6": "ae", "\u00a3": "", "_": "", "&": "and", "*": "",
}  # fmt: skip


def string_vectors(rdb: bytes) -> Iterator[list[str]]:
    position = 0
    while position < len(rdb):
        stream = zlib.decompressobj()
        data = stream.decompress(rdb[position + 4 :])
        position = len(rdb) - len(stream.unused_data)
        start = data.find(STRING_VECTOR, 14)
        if start < 0:
            continue
        (count,) = struct.unpack(">I", data[start + 4 : start + 8])
        at, strings = start + 8, []
        for _ in range(count):
            flags, length = struct.unpack(">Ii", data[at : at + 8])
            if flags & 0xFF != STRING:
                raise ValueError(f"an element of a character vector has the type {flags & 0xFF}")
            at += 8 + max(length, 0)
            strings.append(data[at - max(length, 0) : at].decode("utf-8", "replace"))
        yield strings


def joined(lines: list[str]) -> list[str]:
    """Paragraphs, which end at empty lines."""
    paragraphs, current = [], []
    for line in [*lines, ""]:
        if line.strip():
            current.append(line.strip())
        elif current:
            paragraphs.append(" ".join(current))
            current = []
    return paragraphs


def clean(lines: list[str]) -> list[str]:
    """Paragraphs in plain ASCII, without front matter and headings."""
    paragraphs = joined(lines)
    first = next((i for i, p in enumerate(paragraphs) if re.match(r"(CHAPTER|Chapter)\s", p)), 0)
    result = []
    for p in paragraphs[first:]:
        if re.match(HEADING, p) or p.isupper():
            continue
        for letter, plain in PLAIN.items():
            p = p.replace(letter, plain)
        p = re.sub(r"\[.*?\]", "", p)
        p = re.sub(r"\s*--+\s*", " - ", p)
        p = p.encode("ascii", "ignore").decode()
        p = re.sub(r"\s+", " ", p).strip()
        if len(p) > 1:
            result.append(p)
    return result


def main() -> None:
    source, target = sys.argv[1:]
    paragraphs = []
    with open(source, "rb") as f:
        for lines in string_vectors(f.read()):
            if len(lines) > SHORTEST_NOVEL:
                novel = clean(lines)
                print(f"{len(lines)} lines, {len(novel)} paragraphs: {novel[0][:60]}")
                paragraphs += novel
    with open(target, "w") as f:
        f.write("\n".join(paragraphs) + "\n")


if __name__ == "__main__":
    main()
