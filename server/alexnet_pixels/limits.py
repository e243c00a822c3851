"""How large a picture may be, and into how many pieces divided, before any of it is decoded."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class PixelLimits:
    """Limits on the picture's header, in pixels.

    24 Mpx of RGB are 72 MB decoded, and a PNG may have no more: with alpha or 16 bits it may have
    fewer pixels, since undoing its filters goes over every byte (W3C Recommendation, section 9; the
    slowest takes 6 ns, so 24 Mpx with both took 1.2 s).  A JPEG that comes in one pass is decoded
    at reduced size, so it may have more; of another (progressive, or a scan for each colour) all
    coefficients are kept, and each scan goes over the whole picture: 25 scans of 24 Mpx take up to
    half a second.
    """

    max_pixels: int = 24_000_000
    max_pixels_reduced: int = 64_000_000
    max_png_bytes: int = 72_000_000
    max_scanned_pixels: int = 600_000_000  # pixels times scans
    max_side: int = 16_384


@dataclass(frozen=True)
class StructureLimits:
    """Limits on the pieces a picture is divided into; each is many times what real ones have.

    The times are of one core, with Pillow 13.
    """

    # A chunk takes 3 us.  Encoders write image data 8 kB and more a chunk: 1,300 in 10 MB.
    png_chunks: int = 10_000
    # iCCP, iTXt, zTXt: each may inflate to 1 MB, which takes 6 ms and, as text, up to 4 MB.
    png_inflated_texts: int = 32
    # A segment takes 2 us.  A colour profile or XMP is cut into 64 kB: 160 in 10 MB.
    jpeg_segments: int = 4_000
    # Exif is glued together, in time that grows with the square; a Photoshop segment takes 4 ms.
    jpeg_metadata_segments: int = 32
    # Quantisation and Huffman tables and frame headers, 5 ms a 64 kB; real ones are 600 bytes.
    jpeg_table_bytes: int = 65_536
    # Fill bytes (T.81, B.1.1.2) and what stands where no segment begins, read one at a time.
    jpeg_bytes_between: int = 65_536


DEFAULT_LIMITS = PixelLimits()
STRUCTURE_LIMITS = StructureLimits()
