// What a picture lights up in the first layer of each tower: the paper's Figure 3, come alive.

import { ask, Refusal } from "./server.js";

const MAPS = 6;
const part = (id) => document.getElementById(id);

/**
 * Draw the strongest maps of each tower; a server that has no graph for it draws nothing.
 * @param {RequestInit} request the picture, as POST /classify takes it
 */
export async function showTowers(request) {
  try {
    const { results } = await ask(`towers?maps=${MAPS}`, request);
    part("towers").replaceChildren(...results[0].towers.map(tower));
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

function tower({ name, maps }) {
  const title = document.createElement("h3");
  title.textContent = name === "tower0" ? "Tower 0" : "Tower 1";
  const list = document.createElement("ol");
  list.append(...maps.map(pair));
  const made = document.createElement("div");
  made.append(title, list);
  return made;
}

function pair({ kernel, strength, kernel_png: kernelPicture, map_png: mapPicture }) {
  const row = document.createElement("li");
  row.append(
    drawing(kernelPicture, `Kernel ${kernel}`, "kernel"),
    drawing(mapPicture, `What kernel ${kernel} answers, mean ${strength.toPrecision(2)}`, "map"),
  );
  return row;
}

function drawing(src, alt, className) {
  const made = document.createElement("img");
  return Object.assign(made, { src, alt, title: alt, className });
}
