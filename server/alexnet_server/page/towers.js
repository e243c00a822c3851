// What a picture lights up in the first layer of each tower: the paper's Figure 3, come alive.

import { element } from "./element.js";
import { towerPlace } from "./model.js";
import { ask, Refusal } from "./server.js";

const MAPS = 6;
const TITLES = { tower0: "Tower 0", tower1: "Tower 1" };
const part = (id) => document.getElementById(id);

/**
 * Draw the strongest maps of each tower; a server that has no graph for it draws nothing.
 * @param {RequestInit} request the picture, as POST /classify takes it
 */
export async function showTowers(request) {
  try {
    const { results } = await ask(`towers?maps=${MAPS}`, request);
    const { towers } = results[0];
    const strengths = towers.flatMap(({ maps }) => maps.map(({ strength }) => strength));
    const strongest = Math.max(...strengths);
    part("towers").replaceChildren(...towers.map((one) => tower(one, strongest)));
    part("lit").hidden = false;
  } catch (error) {
    if (error instanceof Refusal && error.code === "no_first_layer") return;
    throw error;
  }
}

/** Take the drawing away. */
export function clearTowers() {
  part("lit").hidden = true;
  part("towers").replaceChildren();
}

function tower({ name, maps }, strongest) {
  const place = towerPlace(name);
  const title = element("h3", TITLES[name]);
  if (place) title.append(element("span", ` on ${place}`, "place"));
  return element("div", [title, element("ol", maps.map((map) => pair(map, strongest)))]);
}

// The bars of both towers have one scale: their lengths can be compared.
function pair({ kernel, strength, kernel_png: kernelPicture, map_png: mapPicture }, strongest) {
  const fill = element("span");
  fill.style.width = `${(100 * strength) / (strongest || 1)}%`; // all is 0 for a map of nothing
  return element("li", [
    drawing(kernelPicture, `What kernel ${kernel} looks for`, "kernel"),
    Object.assign(element("span", "→", "leads"), { ariaHidden: "true" }),
    drawing(mapPicture, "Where the picture answers to it", "map"),
    element("span", `Kernel ${kernel}`, "kernel-number"),
    element("span", strength.toPrecision(2), "number"),
    element("span", fill, "bar"),
  ]);
}

function drawing(src, alt, className) {
  return Object.assign(element("img", [], className), { src, alt });
}
