// Sample pictures, for those who have none at hand: of what the starter model knows.

import { askForBlob } from "./server.js";

const part = (id) => document.getElementById(id);
const buttons = () => [...part("samples").querySelectorAll("li button")];

/** Offer them, and where `isIndexed` their way into the index, or take them away. */
export function show(isOffered, isIndexed) {
  part("samples").hidden = !isOffered;
  part("samples-add").hidden = !isIndexed;
}

/** The file that a button shows, as if it had been chosen; throws Refusal, or AbortError. */
export async function fileOf(button, signal) {
  const path = button.querySelector("img").getAttribute("src");
  const blob = await askForBlob(path, { signal });
  return new File([blob], path.slice(path.lastIndexOf("/") + 1), { type: blob.type });
}

/** All of them, each `{file, path, label}`; throws Refusal. */
export async function all() {
  const files = await Promise.all(buttons().map((button) => fileOf(button)));
  return files.map((file, at) => ({ file, path: file.name, label: buttons()[at].dataset.label }));
}

/** Call `chosen(button)` for one of them, and `wanted()` for all. */
export function listen(chosen, wanted) {
  for (const button of buttons()) button.addEventListener("click", () => chosen(button));
  part("samples-add").addEventListener("click", wanted);
}
