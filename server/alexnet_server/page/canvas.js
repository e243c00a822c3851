// Pixels as a file.

// What a canvas makes of them at this quality is as good as what a phone's camera saves.
const QUALITY = 0.95;

/**
 * What `source` (a bitmap or a video) shows, as a File of `type`, "image/png" or "image/jpeg";
 * null where there are more pixels than the browser draws. Transparency is laid over white, as
 * the server does.
 */
export async function drawn(source, { width, height }, name, type) {
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  const context = canvas.getContext("2d", { alpha: false });
  context.fillStyle = "white";
  context.fillRect(0, 0, width, height);
  context.drawImage(source, 0, 0, width, height);
  const blob = await new Promise((resolve) => canvas.toBlob(resolve, type, QUALITY));
  canvas.width = canvas.height = 0; // gives its memory back at once: Safari allows a page little
  return blob && new File([blob], name, { type });
}
