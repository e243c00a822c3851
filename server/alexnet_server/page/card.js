// About this model: what it is and where it runs, for whoever opens that part of the page.

import { counted, element, percent } from "./element.js";
import { placed, placesOf } from "./steps.js";

const NETWORKS = {
  alexnet2012: "AlexNet as in the paper of 2012 (alexnet2012)",
  caffe: "AlexNet as Caffe has it (caffe)",
  caffe224: "AlexNet as Caffe has it, for views of 224 pixels (caffe224)",
  torchvision: "AlexNet of 2014, as torchvision has it (torchvision)",
};
const LAYOUTS = {
  towers: "Two towers, as in the paper: each has half of every layer but the last",
  single: "One graph, which holds both towers",
};
const PRECISIONS = {
  fp32: "32-bit floating point (fp32)",
  fp16: "16-bit floating point (fp16)",
  int8: "8-bit integers (int8)",
};
const ENGINES = { local: "in this server's process", triton: "in a Triton" };
const METRICS = { l2: "the Euclidean distance (l2)", cosine: "the angle (cosine)" };
const TOP = 5;

const part = (id) => document.getElementById(id);

/** Show the card of `model`, as GET /model has it; what is not known takes no line. */
export function showCard(model) {
  const { dialect, layout, precision, engine, steps, version, digest, index } = model;
  say("measured", measured(model));
  say("network", NETWORKS[dialect] ?? dialect);
  say("layout", LAYOUTS[layout]);
  say("precision", PRECISIONS[precision] ?? precision);
  say("places", `${placesOf(steps)}, ${ENGINES[engine]}`);
  say("searched", index.error ? "" : searched(index));
  say("version", version);
  say("whole-digest", digest);
  showSteps(placed(steps));
  part("card").hidden = false;
}

function say(id, text) {
  part(id).textContent = text;
  part(id).closest("#card dl > div").hidden = text === "";
}

// Among five classes or fewer, the right one is always among the five likeliest.
function measured({ metrics: { top1, top5, n }, classes }) {
  const said = [];
  if (typeof top1 === "number") said.push(`Top-1 ${percent(top1)} (the likeliest label was right)`);
  if (typeof top5 === "number" && classes.length > TOP) {
    said.push(`${said.length ? "top" : "Top"}-5 ${percent(top5)} (one of the five likeliest was)`);
  }
  if (said.length > 0 && n) said.push(`on ${counted(n, "picture")} when it was trained`);
  return said.join(", ");
}

function searched({ pictures, metric, layer, views, coder, state }) {
  const seen = views === 1 ? "" : `, each seen in ${views} views`;
  const filling = state === "building" ? " (another process is filling it)" : "";
  const how = coder
    ? `codes of ${counted(coder.bytes, "byte")} are looked through first, the best then compared`
    : "each search compares all of them";
  const compared = `compared by ${METRICS[metric]} between their numbers of ${layer}`;
  return `${counted(pictures, "picture")}${seen}${filling}, ${compared}; ${how}`;
}

// A table of one device throughout would say nothing that the line above it does not.
function showSteps(steps) {
  const isSpread = new Set(steps.map(({ device }) => device)).size > 1;
  part("steps").hidden = !isSpread;
  const layers = new Set(steps.map((step) => step.layers));
  const rows = [...layers].map((name) => row(name, steps.filter((step) => step.layers === name)));
  part("steps").tBodies[0].replaceChildren(...rows);
}

function row(layers, steps) {
  const head = Object.assign(element("th", layers), { scope: "row" });
  const cells = steps.map(({ tower, device }) =>
    Object.assign(element("td", device), { colSpan: tower ? 1 : 2 }),
  );
  return element("tr", [head, ...cells]);
}

// Over plain http from elsewhere there is no clipboard; the text is then selected.
async function copyDigest() {
  try {
    await navigator.clipboard.writeText(part("whole-digest").textContent);
    part("copied").textContent = "Copied.";
  } catch {
    getSelection().selectAllChildren(part("whole-digest"));
    part("copied").textContent = "Selected: copy it with Ctrl+C, or Cmd+C on a Mac.";
  }
}

/** Let the button beside the digest copy it. */
export function listen() {
  part("copy-digest").addEventListener("click", copyDigest);
}
