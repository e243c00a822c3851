// Adding pictures to the index: which of them, and under which label.

import { counted, element } from "./element.js";
import { picturesOf } from "./folder.js";
import * as progress from "./progress.js";
import { Upload } from "./upload.js";

const part = (id) => document.getElementById(id);
let pictures = []; // chosen, and not begun

/** Show what of `files` can be added; a person then begins, so that none is stored by accident. */
export function offer(files) {
  if (!isBusy()) present(picturesOf(files));
}

/** The same for pictures that have their labels, each `{file, path, label}`. */
export function offerLabelled(labelled) {
  if (!isBusy()) present({ pictures: labelled, leftOut: [], common: "" });
}

function isBusy() {
  if (!progress.isRunning()) return false;
  const wait = "Others are being added: wait for their end or press Stop, then choose these.";
  part("adding-outcome").replaceChildren(element("p", wait));
  return true;
}

function present(chosen) {
  pictures = chosen.pictures;
  progress.clearOutcome();
  const count = counted(pictures.length, "picture");
  const isNone = pictures.length === 0;
  part("adding-chosen").textContent = isNone ? "No picture was chosen." : `${count} chosen.`;
  part("adding-begin").textContent = `Add ${count}`;
  part("adding-label").value = chosen.common;
  showLabels();
  showLeftOut(chosen.leftOut);
  part("adding-some").hidden = isNone;
  part("adding-form").hidden = false;
  part("adding-chosen").focus();
}

// The label for all goes before those of the folders.
function showLabels() {
  const counts = new Map();
  for (const { label } of pictures) counts.set(label, (counts.get(label) ?? 0) + 1);
  const each = [...counts].map(([label, count]) => `${label || "no label"} (${count})`);
  const isForAll = part("adding-label").value.trim() !== "";
  const hasNone = counts.size === 1 && counts.has("");
  part("adding-labels").textContent = isForAll || hasNone ? "" : `Their labels: ${each.join(", ")}`;
}

function showLeftOut(paths) {
  const [summary, list] = part("adding-left-out").children;
  summary.textContent = `${counted(paths.length, "file")} left out: no pictures, or hidden`;
  list.replaceChildren(...paths.map((path) => element("li", path)));
  part("adding-left-out").hidden = paths.length === 0;
}

function begin(event) {
  event.preventDefault();
  const forAll = part("adding-label").value.trim();
  const labelled = pictures.map((one) => ({ ...one, label: forAll || one.label }));
  close();
  progress.run(new Upload(labelled));
}

function close() {
  pictures = [];
  part("adding-form").hidden = true;
}

function offerOf(input) {
  offer([...input.files]);
  input.value = ""; // so that the same may be chosen again
}

/** Let the section work; `added()` is called once there are more pictures in the index. */
export function listen(added) {
  for (const [name, input] of [
    ["adding-pictures", part("adding-files")],
    ["adding-whole-folder", part("adding-folder")],
  ]) {
    part(name).addEventListener("click", () => input.click());
    input.addEventListener("change", () => offerOf(input));
  }
  part("adding-whole-folder").hidden = !("webkitdirectory" in HTMLInputElement.prototype);
  part("adding-label").addEventListener("input", showLabels);
  part("adding-form").addEventListener("submit", begin);
  part("adding-cancel").addEventListener("click", () => {
    close();
    part("adding-pictures").focus();
  });
  progress.listen(added);
}
