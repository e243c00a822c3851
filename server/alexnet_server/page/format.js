// The format of a file, told by its first bytes: its name and type may say anything.

/** As many bytes of a file as `formatOf` looks at. */
export const HEAD_BYTES = 4096;

// Each byte is one character (Latin-1).
const SIGNS = {
  JPEG: /^\xff\xd8\xff/,
  PNG: /^\x89PNG\r\n\x1a\n/,
  WEBP: /^RIFF[^]{4}WEBP/,
  GIF: /^GIF8/,
  BMP: /^BM[^]{4}\0{4}/,
  TIFF: /^(II\*\0|MM\0\*)/,
  ICO: /^\0\0\x01\0/,
  "JPEG XL": /^(\xff\x0a|\0\0\0\x0cJXL )/,
  PDF: /^%PDF-/,
  SVG: /^(\xef\xbb\xbf)?\s*<(svg|(\?xml|!doctype svg|!--)[^]*<svg)[\s>]/i,
  video: /^(\x1aE\xdf\xa3|RIFF[^]{4}AVI )/, // Matroska and WebM; AVI
};
// ISO/IEC 14496-12, 4.3: a file that begins with an `ftyp` box names its brands there. Those of
// pictures: ISO/IEC 23008-12, annex B, and AVIF 1.1, section 6. Of one that is several, the first.
const BRANDS = {
  AVIF: ["avif", "avis"],
  HEIC: ["heic", "heix", "hevc", "hevx", "heim", "heis"],
  HEIF: ["mif1", "msf1"],
  RAW: ["crx "],
};

/** The format of a file that begins with `bytes`, or null: "JPEG", "HEIC", "video" … */
export function formatOf(bytes) {
  const head = Array.from(bytes, (byte) => String.fromCharCode(byte)).join("");
  if (head.slice(4, 8) === "ftyp") return branded(bytes, head);
  return Object.keys(SIGNS).find((format) => SIGNS[format].test(head)) ?? null;
}

function branded(bytes, head) {
  const end = new DataView(bytes.buffer, bytes.byteOffset).getUint32(0); // of the box
  const brands = [head.slice(8, 12)]; // then a version, then those it is compatible with
  for (let at = 16; at < Math.min(end, head.length); at += 4) brands.push(head.slice(at, at + 4));
  const isOf = (format) => BRANDS[format].some((brand) => brands.includes(brand));
  return Object.keys(BRANDS).find(isOf) ?? "video"; // MP4, QuickTime and their kin
}
