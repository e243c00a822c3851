// What is served: the model, its figures, and how many pictures the index holds.

import { showCard } from "./card.js";
import { counted, element, percent } from "./element.js";
import { suggest } from "./filter.js";
import * as samples from "./samples.js";
import { ask } from "./server.js";
import { placeOf } from "./steps.js";

const DIGEST_CHARACTERS = 12; // as many as the server shows when it starts
const NEXT = {
  loading: "It is being read and checked; until then",
  awaited: "Triton does not have it yet (alexnet-export reload gives it); until then",
  refused: "It was refused, and the server's log says why;",
};
const part = (id) => document.getElementById(id);

let isUsable = true;
let steps = {};

/** Whether pictures can be searched and stored; true until the server says otherwise. */
export function isIndexUsable() {
  return isUsable;
}

/** Where `tower` runs, as in a sentence; "" where that is not known. */
export function towerPlace(tower) {
  return placeOf(tower, steps);
}

/** Ask the server what it is and show it; throws Refusal. */
export async function showModel() {
  const model = await ask("model");
  const { about, classes, digest, index, metrics } = model;
  isUsable = !index.error;
  steps = model.steps;
  part("about").textContent = about;
  const isStarter = about.startsWith("The starter model");
  part("starter").hidden = !isStarter;
  samples.show(isStarter, isUsable);
  const isMeasured = typeof metrics.top1 === "number";
  part("top1").textContent = isMeasured ? percent(metrics.top1) : "";
  part("top1").parentElement.hidden = !isMeasured;
  part("digest").textContent = digest.slice(0, DIGEST_CHARACTERS);
  part("pictures").textContent = isUsable ? counted(index.pictures, "picture") : "not usable";
  showClasses(classes);
  suggest(classes);
  showCard(model);
  showNext(model);
  part("facts").hidden = part("classes").hidden = false;
  part("adding").hidden = !isUsable;
  await showFault(index);
}

function showClasses(classes) {
  const [summary, list] = part("classes").querySelectorAll("summary, ol");
  summary.textContent = classes.length === 1 ? "1 class" : `${classes.length} classes`;
  list.replaceChildren(...classes.map((label) => element("li", label)));
}

function showNext({ next, version }) {
  part("next").hidden = !next;
  if (!next) return;
  const title = next.version === null ? "Another model" : `Version ${next.version}`;
  const what = ` ${NEXT[next.state]} version ${version} goes on answering.`;
  part("next").replaceChildren(element("strong", `${title} has been deployed.`), what);
}

async function showFault({ error }) {
  part("index-note").hidden = isUsable;
  if (isUsable) return;
  const why = await ask("images?limit=1").catch((refusal) => refusal);
  part("index-detail").textContent = why.detail ?? error;
}
