// The label that the neighbours on show must have, if any.

import { counted, element } from "./element.js";

const part = (id) => document.getElementById(id);
const known = new Set(); // what the field suggests

/** Suggest `labels` too. */
export function suggest(labels) {
  const before = known.size;
  for (const label of labels) if (label !== null) known.add(label);
  if (known.size === before) return;
  part("labels").replaceChildren(...[...known].sort().map(suggestion));
}

function suggestion(label) {
  return Object.assign(element("option"), { value: label });
}

/** Say that `count` pictures are shown, and that all have `label`; "": whatever label they have. */
export function showFilter(label, count, whyNone) {
  part("only").value = label;
  part("all-labels").hidden = label === "";
  part("filter").hidden = label === "" && count === 0;
  const found = `Shown: ${counted(count, "picture")} with the label “${label}”.`;
  part("narrowed").textContent = label === "" ? "" : count === 0 ? whyNone : found;
}

/** Let the field work; `choose(label)` is told what a person chose, "" for all labels. */
export function listen(choose) {
  const chosen = () => choose(part("only").value);
  part("only").addEventListener("change", chosen);
  part("filter").addEventListener("submit", (event) => {
    event.preventDefault();
    chosen();
  });
  part("all-labels").addEventListener("click", () => {
    part("only").focus(); // the button goes away
    choose("");
  });
}
