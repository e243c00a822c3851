"""Files that are no JPEG, PNG or WEBP: all that Pillow writes, and what else may be sent as one."""

from __future__ import annotations

import io
import warnings
import zipfile

from PIL import Image

from tests.faults.pictures.sources import encoded, photo

READ = {"JPEG", "MPO", "PNG", "WEBP"}
_MODES = ("RGB", "L", "1", "RGBA", "P", "F")
_EPS = """%!PS-Adobe-3.0 EPSF-3.0
%%BoundingBox: 0 0 64 64
(%pipe%touch /tmp/broken_in) (w) file closefile
(/tmp/broken_in) (w) file dup (x) writestring closefile
showpage
%%EOF
"""
_SVG = """<?xml version="1.0"?><!DOCTYPE svg [<!ENTITY x SYSTEM "file:///etc/passwd">]>
<svg xmlns="http://www.w3.org/2000/svg"><image href="http://127.0.0.1:1/x"/>&x;</svg>
"""


def written_by_pillow() -> dict[str, bytes]:
    """One file of each format Pillow writes on this machine and alexnet_pixels does not read."""
    Image.init()
    found = {}
    for kind in sorted(set(Image.SAVE) - READ):
        for mode in _MODES:
            try:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", DeprecationWarning)
                    found[kind] = encoded(photo((64, 64)).convert(mode), kind)
                break
            except (OSError, ValueError, KeyError):
                continue  # not in this mode, or only with a program that is not here
    return found


def written_by_hand() -> dict[str, bytes]:
    """Documents, archives, programs and scripts, some of which would like to be run."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("../../x.jpg", encoded(photo(), "JPEG"))
    picture = encoded(photo(), "JPEG")
    return {
        "EPS that runs a program": _EPS.encode(),
        "EPS in a DOS header": b"\xc5\xd0\xd3\xc6\x1e\0\0\0" + bytes(22) + _EPS.encode(),
        "SVG that reads a file": _SVG.encode(),
        "HTML": b"<!doctype html><script>alert(1)</script><img src=x onerror=alert(1)>",
        "ZIP": archive.getvalue(),
        "PDF that runs a program": b"%PDF-1.7\n1 0 obj<</OpenAction<</S/Launch/F(x)>>>>endobj\n",
        "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
        "shell script": b"#!/bin/sh\ntouch /tmp/broken_in\n",
        "ImageMagick script": b"push graphic-context\nfill 'url(https://127.0.0.1/\"|touch x)'\n",
        "MP4": b"\0\0\0\x18ftypmp42" + bytes(64),
        "HEIC": b"\0\0\0\x18ftypheic" + bytes(64),
        "JPEG XL": b"\xff\x0a" + bytes(64),
        "text before a JPEG": b" " + picture,
        "RIFF that is a sound": b"RIFF\x24\0\0\0WAVEfmt " + bytes(32),
        "zeros": bytes(4_096),
        "one byte": b"\xff",
    }
