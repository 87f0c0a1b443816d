"""Takes a chart out of an executed notebook, packed as small as PNG allows.

    make notebooks    # or LLMSCEN_WAREHOUSE=… notebooks/run.sh
    python3 docs/img/take.py .tools/notebooks/first_look.ipynb Latency docs/img/latency.png

The chart is the output of the cell whose source has the word.
"""

import base64
import json
import struct
import sys
import zlib

SIGNATURE = b"\x89PNG\r\n\x1a\n"


def picture(notebook, word):
    """The first PNG among the outputs of the cell whose source has the word."""
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code" and word in "".join(cell["source"]):
            for output in cell["outputs"]:
                if "image/png" in output.get("data", {}):
                    return base64.b64decode("".join(output["data"]["image/png"]))
    sys.exit(f"no cell with {word!r} has a picture")


def packed(png):
    """The same picture, with its pixels compressed once more, and as well as can be."""
    chunks, at = [], len(SIGNATURE)
    while at < len(png):
        length, kind = struct.unpack(">I4s", png[at : at + 8])
        chunks.append((kind, png[at + 8 : at + 8 + length]))
        at += 12 + length
    pixels = zlib.compress(zlib.decompress(b"".join(data for kind, data in chunks if kind == b"IDAT")), 9)
    kept = [chunk for chunk in chunks if chunk[0] != b"IDAT"]
    kept.insert(-1, (b"IDAT", pixels))  # before IEND
    return SIGNATURE + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in kept
    )


if __name__ == "__main__":
    source, word, target = sys.argv[1:]
    with open(source, encoding="utf-8") as f:
        notebook = json.load(f)
    with open(target, "wb") as f:
        f.write(packed(picture(notebook, word)))
