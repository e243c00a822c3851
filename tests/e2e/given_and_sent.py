"""What a page is given, and what it sends: the browser keeps a file's bytes out of what it logs."""

from __future__ import annotations

import base64
import io
from dataclasses import dataclass

from PIL import Image
from playwright.sync_api import Page

_KEEP = """
window.sent = [];
const real = window.fetch;
window.fetch = (address, options) => {
    const file = options?.body instanceof FormData && options.body.get("image");
    if (file) window.sent.push([String(address).match(/^\\w+/)[0], file]);
    return real(address, options);
};
"""
_READ = """async (path) => {
    const [, file] = window.sent.findLast(([asked]) => asked === path);
    const address = await new Promise((resolve) => {
        const reader = new FileReader();
        reader.onload = () => resolve(reader.result);
        reader.readAsDataURL(file);
    });
    return [file.name, file.type, address];
}"""


@dataclass(frozen=True)
class SentFile:
    """A file as it went to the server."""

    name: str
    type: str
    data: bytes

    @property
    def image(self) -> Image.Image:
        return Image.open(io.BytesIO(self.data))


def keep_sent_files(page: Page) -> None:
    """Let ``page``, before it is opened, keep each picture that it sends."""
    page.add_init_script(_KEEP)


def sent_file(page: Page, path: str = "classify") -> SentFile:
    """The picture that ``page`` sent to ``path`` last."""
    name, kind, address = page.evaluate(_READ, path)
    return SentFile(name, kind, base64.b64decode(address.partition(",")[2]))


def give(page: Page, name: str, data: bytes) -> None:
    """Choose a file as a person does."""
    file = {"name": name, "mimeType": "application/octet-stream", "buffer": data}
    page.set_input_files("#file", file)
