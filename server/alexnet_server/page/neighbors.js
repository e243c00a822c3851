// The stored pictures nearest to the one on show: a grid, each tile leading on.

import { addressOf } from "./address.js";
import { element } from "./element.js";
import { showFilter, suggest } from "./filter.js";
import * as key from "./key.js";
import { ask } from "./server.js";
import { load } from "./thumbnail.js";

const NEIGHBORS = 12;
const part = (id) => document.getElementById(id);

/** Show what is nearest to the picture of `request`, of `label` or of all (""); throws Refusal. */
export async function searchFor(request, label) {
  const { results } = await ask(`search?${query(label)}`, request);
  const whyNone = label
    ? `No stored picture has the label “${label}”.`
    : "The index holds no pictures yet.";
  showNeighbors(results[0].neighbors, label, whyNone, request.signal);
}

/** Show what is nearest to the stored picture `id`, of `label` or of all (""); throws Refusal. */
export async function showSimilar(id, label, signal) {
  const { neighbors } = await ask(`images/${id}/similar?${query(label)}`, { signal });
  const whyNone = label
    ? `No other stored picture has the label “${label}”.`
    : "The index holds no other picture.";
  showNeighbors(neighbors, label, whyNone, signal);
}

function query(label) {
  return new URLSearchParams(label ? { k: NEIGHBORS, label } : { k: NEIGHBORS });
}

function showNeighbors(neighbors, wanted, whyNone, signal) {
  part("neighbors").replaceChildren(...neighbors.map((one) => tile(one, wanted, signal)));
  part("why-none").textContent = whyNone;
  const keyed = key.held() === null ? "" : "--key-file FILE ";
  part("fill").textContent = `alexnet --server ${location.origin} ${keyed}add path/to/folders`;
  part("empty").hidden = neighbors.length > 0 || wanted !== "";
  part("measure").hidden = neighbors.length === 0;
  suggest(neighbors.map(({ label }) => label));
  showFilter(wanted, neighbors.length, whyNone);
  part("found").hidden = false;
}

// The filter goes along.
function tile({ id, label, distance }, wanted, signal) {
  const image = element("img");
  Object.assign(image, { alt: "", width: 192, height: 192 });
  load(image, id, signal);
  const name = element("span", label ?? "no label", label === null ? "label none" : "label");
  const link = element("a", [image, name, element("span", distance.toFixed(2), "number")]);
  const ariaLabel = `${name.textContent}, distance ${distance.toFixed(2)}`;
  Object.assign(link, { href: addressOf(id, wanted), title: id, ariaLabel });
  return element("li", link);
}

/** Empty the grid, of which nothing is known now; the filter stays to be changed. */
export function emptyNeighbors() {
  part("empty").hidden = part("measure").hidden = true;
  part("narrowed").textContent = "";
  part("neighbors").replaceChildren();
}

/** Take the grid away. */
export function clearNeighbors() {
  part("found").hidden = true;
  emptyNeighbors();
}
