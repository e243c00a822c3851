// The picture on show, and which part of it the network sees.

import { release } from "./thumbnail.js";

const part = (id) => document.getElementById(id);

/** Show the picture at `address`; a stored one is known by its thumbnail alone. */
export function showPicture(address, caption, isStored = false) {
  release(part("preview"));
  part("preview").src = address;
  part("frame").hidden = true; // until it has loaded: the browser may not know the format
  part("frame").classList.toggle("stored", isStored);
  part("caption").textContent = caption;
  part("shown").hidden = false;
}

/** Show the picture that a file holds, or its name where the browser cannot draw it. */
export function showFile(file) {
  const name = file.name || "Pasted picture";
  const converted = file.convertedFrom && `, converted from ${file.convertedFrom} by this browser`;
  showPicture(URL.createObjectURL(file), name + (converted ?? ""));
}

// The network is shown the middle square (given.css dims the rest).
function frame({ target: { naturalWidth, naturalHeight } }) {
  part("frame").style.setProperty("--ratio", naturalWidth / naturalHeight);
  part("frame").hidden = false;
}

/** Let a picture that has loaded be framed. */
export function listen() {
  part("preview").addEventListener("load", frame);
}
