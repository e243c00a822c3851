// Thumbnails of stored pictures. An <img> cannot send a key, so with one they come as blobs.

import * as key from "./key.js";
import { askForBlob, Refusal } from "./server.js";

/** An address for the thumbnail of a stored picture; throws Refusal, or AbortError. */
export async function thumbnail(id, signal) {
  const path = `images/${id}/thumbnail`;
  if (key.held() === null) return path;
  return URL.createObjectURL(await askForBlob(path, { signal }));
}

/** Show the thumbnail in `image`; without it, a neighbour still has its label and distance. */
export async function load(image, id, signal) {
  for (const end of ["load", "error"]) image.addEventListener(end, () => release(image));
  try {
    image.src = await thumbnail(id, signal);
  } catch (error) {
    if (!signal.aborted && !(error instanceof Refusal)) throw error;
  }
}

/** Give back the blob that `image` was loaded from: it would stay in memory. */
export function release({ src }) {
  if (src.startsWith("blob:")) URL.revokeObjectURL(src);
}
