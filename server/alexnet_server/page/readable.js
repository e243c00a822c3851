// A file as the server can read it: JPEG, PNG and WEBP as they are, others as this browser draws
// them, and what neither can read put into words.

import { drawn } from "./canvas.js";
import { formatOf, HEAD_BYTES } from "./format.js";
import { Refusal } from "./server.js";

const SERVED = ["JPEG", "PNG", "WEBP"];
// Up to here what is converted becomes a PNG, which loses nothing. Of a phone's photo that would
// be 25 MB, sent three times; the network sees a few thousandths of its pixels, each the mean of
// many, so that nothing is left of what a JPEG loses. The server also reads larger JPEGs.
const EXACT_PIXELS = 1_000_000;

const NO_PHOTO = {
  SVG: ["A drawing, not a photo", "Export it as PNG, then choose that."],
  PDF: ["A document, not a picture", "Save its picture as JPEG or PNG, or take a screenshot."],
  video: ["A video, not a picture", "Pause it where it shows most, and take a screenshot."],
};
const HEIC =
  "Share it from the iPhone as JPEG, or open this page in Safari. For photos to come: Settings > " +
  "Camera > Formats > Most Compatible. On a computer: sips -s format jpeg photo.heic --out " +
  "photo.jpg (Mac), heif-convert photo.heic photo.jpg (Linux).";
const INSTEAD = { HEIC, HEIF: HEIC };

/**
 * `file` as the server can read it. A converted one has `convertedFrom`, the name of its format.
 * Throws Refusal.
 */
export async function readable(file) {
  const format = formatOf(await headOf(file));
  if (SERVED.includes(format)) return file;
  if (format in NO_PHOTO) {
    const [title, advice] = NO_PHOTO[format];
    throw new Refusal(title, `${file.name} cannot be classified.`, advice);
  }
  const bitmap = await opened(file);
  if (bitmap) return converted(file, format, bitmap);
  if (format === null) return file; // nobody here knows it: the server says what it is not
  const advice = INSTEAD[format] ?? "Save it as JPEG, PNG or WEBP first.";
  const detail = `${file.name} is ${format}, or was before it was damaged.`;
  throw new Refusal(`This browser cannot open ${format}`, detail, advice);
}

// A dropped folder comes as a file that cannot be read; fetch would blame the network for it.
async function headOf(file) {
  try {
    return new Uint8Array(await file.slice(0, HEAD_BYTES).arrayBuffer());
  } catch (error) {
    const advice = "Choose a picture, not a folder; one changed since, choose again.";
    throw new Refusal("The file cannot be read", `${file.name}: ${error.message}`, advice);
  }
}

// Turned upright as its EXIF says, which is the default, and of an animation the first picture.
async function opened(file) {
  try {
    return await createImageBitmap(file);
  } catch (error) {
    if (error instanceof DOMException) return null;
    throw error;
  }
}

async function converted(file, format, bitmap) {
  const { width, height } = bitmap;
  const [type, suffix] =
    width * height <= EXACT_PIXELS ? ["image/png", "png"] : ["image/jpeg", "jpg"];
  const name = `${file.name.replace(/\.[^.]*$/, "")}.${suffix}`;
  const made = await drawn(bitmap, { width, height }, name, type);
  bitmap.close();
  if (made) return Object.assign(made, { convertedFrom: format ?? "another format" });
  const detail = `${file.name} has ${width} x ${height} pixels, more than this browser converts.`;
  throw new Refusal("Too large to convert", detail, "Save it smaller, as JPEG, then choose that.");
}
