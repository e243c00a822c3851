// What the model takes a picture for: five bars.

import { element, percent } from "./element.js";
import { ask } from "./server.js";

const TOP_K = 5;
const part = (id) => document.getElementById(id);

/** Classify the picture of `request` and draw a bar for each label; throws Refusal. */
export async function showPredictions(request) {
  const { results } = await ask(`classify?top_k=${TOP_K}`, request);
  const rows = results[0].predictions.map(({ label, probability }) => {
    const fill = element("span");
    fill.style.width = `${100 * probability}%`;
    const number = element("span", percent(probability), "number");
    return element("li", [element("span", label), number, element("span", fill, "bar")]);
  });
  part("predictions").replaceChildren(...rows);
  part("seen").hidden = false;
}

/** Take the bars away. */
export function clearPredictions() {
  part("seen").hidden = true;
  part("predictions").replaceChildren();
}
