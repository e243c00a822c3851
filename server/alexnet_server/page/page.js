// A picture goes to the server, and what the server answers is shown.
// It is put in as text, never as HTML: a label may hold anything.

import * as key from "./key.js";
import { ask, Refusal } from "./server.js";
import { load, release, thumbnail } from "./thumbnail.js";
import { clearTowers, showTowers } from "./towers.js";

const TOP_K = 5;
const NEIGHBORS = 12;
const DIGEST_CHARACTERS = 12; // as many as the server shows when it starts
const STORED = /^#images\/([A-Za-z0-9._-]{1,128})$/;

const part = (id) => document.getElementById(id);
let chosen = null; // the File given last
let current = new AbortController(); // ends the requests of what is on show
let isIndexUsable = true;

/** Do `task(signal)` instead of what still runs; it may return words to end on. */
async function work(task) {
  current.abort();
  current = new AbortController();
  const { signal } = current;
  const begin = performance.now();
  part("error").replaceChildren();
  setStatus("Working …", true);
  try {
    const done = await task(signal);
    const elapsed = Math.round(performance.now() - begin);
    if (!signal.aborted) setStatus(done ?? `Answered in ${elapsed} ms.`);
  } catch (error) {
    if (signal.aborted) return;
    setStatus("");
    showError(error, () => work(task));
  }
}

function setStatus(text, isBusy = false) {
  document.querySelector("main").ariaBusy = String(isBusy);
  part("status").classList.toggle("busy", isBusy);
  part("status").textContent = text;
}

function showError(error, repeat) {
  if (!(error instanceof Refusal)) throw error;
  const lines = [element("strong", error.title), element("p", error.detail)];
  if (error.advice) lines.push(element("p", error.advice));
  if (error.mayRepeat) lines.push(button("Try again", repeat));
  if (error.code === "forbidden") {
    const change = () => key.wanted("Enter one that may write.");
    lines.push(button("Use another key", async () => (await change()) && repeat()));
  }
  part("error").replaceChildren(...lines);
  part("error").scrollIntoView({ block: "nearest" });
}

async function showModel() {
  const { about, classes, digest, index, metrics } = await ask("model");
  isIndexUsable = !index.error;
  part("about").textContent = about;
  part("starter").hidden = !about.startsWith("The starter model");
  const isMeasured = typeof metrics.top1 === "number";
  part("top1").textContent = isMeasured ? percent(metrics.top1) : "";
  part("top1").parentElement.hidden = !isMeasured;
  part("digest").textContent = digest.slice(0, DIGEST_CHARACTERS);
  part("pictures").textContent = isIndexUsable ? counted(index.pictures, "picture") : "not usable";
  const [summary, list] = part("classes").children;
  summary.textContent = classes.length === 1 ? "1 class" : `${classes.length} classes`;
  list.replaceChildren(...classes.map((label) => element("li", label)));
  part("facts").hidden = part("classes").hidden = false;
  part("index-note").hidden = isIndexUsable;
  if (!isIndexUsable) {
    const why = await ask("images?limit=1").catch((error) => error);
    part("index-detail").textContent = why.detail ?? index.error;
  }
}

async function lookAt(file, signal) {
  clearAnswers();
  showPicture(URL.createObjectURL(file), file.name || "Pasted picture");
  await requireReadable(file);
  const seen = ask(`classify?top_k=${TOP_K}`, post(file, signal)).then(showPredictions);
  const asked = isIndexUsable ? [seen, searchFor(file, signal)] : [seen];
  const refused = (await Promise.allSettled(asked)).find(({ reason }) => reason);
  if (refused) throw refused.reason;
  await showTowers(post(file, signal)); // the answers first: this is for looking
}

// A dropped folder comes as a file that cannot be read; fetch would blame the network for it.
async function requireReadable(file) {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch (error) {
    const advice = "Choose a picture, not a folder; one changed since, choose again.";
    throw new Refusal("The file cannot be read", `${file.name}: ${error.message}`, advice);
  }
}

async function searchFor(file, signal) {
  const { results } = await ask(`search?k=${NEIGHBORS}`, post(file, signal));
  showNeighbors(results[0].neighbors, "The index holds no pictures yet.", signal);
  part("add").hidden = false;
}

async function add(file, label, signal) {
  const { results } = await ask("images", post(file, signal, label));
  await Promise.all([searchFor(file, signal), showModel()]);
  return results[0].created ? "Added to the index." : "It was in the index already.";
}

async function goOnFrom(id, signal) {
  clearAnswers();
  showPicture("", "Stored picture", true);
  part("shown").focus();
  const [stored, { neighbors }] = await Promise.all([
    ask(`images/${id}`, { signal }),
    ask(`images/${id}/similar?k=${NEIGHBORS}`, { signal }),
  ]);
  const caption = `Stored picture: ${stored.label ?? "no label"}`;
  showPicture(await thumbnail(id, signal), caption, true);
  showNeighbors(neighbors, "The index holds no other picture.", signal);
}

function post(file, signal, label = "") {
  const body = new FormData();
  body.append("image", file, file.name);
  if (label) body.append("label", label);
  return { method: "POST", body, signal };
}

function clearAnswers() {
  clearTowers();
  for (const id of ["seen", "found", "add", "empty"]) part(id).hidden = true;
  for (const id of ["predictions", "neighbors"]) part(id).replaceChildren();
}

function showPicture(address, caption, isStored = false) {
  release(part("preview"));
  part("preview").src = address;
  part("frame").hidden = true; // until it has loaded: the browser may not know the format
  part("frame").classList.toggle("stored", isStored);
  part("caption").textContent = caption;
  part("shown").hidden = false;
}

// The network is shown the middle square (page.css dims the rest).
function frame({ target: { naturalWidth, naturalHeight } }) {
  part("frame").style.setProperty("--ratio", naturalWidth / naturalHeight);
  part("frame").hidden = false;
}

function showPredictions({ results }) {
  const rows = results[0].predictions.map(({ label, probability }) => {
    const fill = element("span");
    fill.style.width = `${100 * probability}%`;
    const number = element("span", percent(probability), "number");
    return element("li", [element("span", label), number, element("span", [fill], "bar")]);
  });
  part("predictions").replaceChildren(...rows);
  part("seen").hidden = false;
}

function showNeighbors(neighbors, whyNone, signal) {
  const tiles = neighbors.map(({ id, label, distance }) => {
    const image = element("img");
    Object.assign(image, { alt: "", width: 192, height: 192 });
    load(image, id, signal);
    const name = element("span", label ?? "no label", label === null ? "label none" : "label");
    const link = element("a", [image, name, element("span", distance.toFixed(2), "number")]);
    Object.assign(link, { href: `#images/${id}`, title: id });
    return element("li", [link]);
  });
  part("neighbors").replaceChildren(...tiles);
  part("why-none").textContent = whyNone;
  const keyed = key.held() === null ? "" : "--key-file FILE ";
  part("fill").textContent = `alexnet --server ${location.origin} ${keyed}add path/to/folders`;
  part("empty").hidden = tiles.length > 0;
  part("measure").hidden = tiles.length === 0;
  part("found").hidden = false;
}

function button(text, act) {
  const made = element("button", text);
  made.addEventListener("click", act);
  return made;
}

/** An element holding `content`: text, or a list of elements. */
function element(name, content = [], className = "") {
  const made = document.createElement(name);
  made.className = className;
  made.append(...[content].flat());
  return made;
}

// Nothing is rounded to certainty: 0.99999 is not 100 %, 0.00001 is not nothing.
function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

function choose(files) {
  if (files.length === 0) return;
  chosen = files[0];
  // Going back leads to the stored picture that was on show before.
  if (location.hash) history.pushState(null, "", location.pathname + location.search);
  follow();
}

// The address names the stored picture on show, so that going back and links work.
function follow() {
  const id = STORED.exec(location.hash)?.[1];
  const file = chosen;
  if (id) work((signal) => goOnFrom(id, signal));
  else if (file) work((signal) => lookAt(file, signal));
}

// Anything dropped is ours, else the browser opens it and leaves the page.
function drag(event) {
  if (event.target === part("label")) return;
  event.preventDefault();
  part("zone").classList.toggle("over", event.type === "dragover");
  if (event.type !== "drop") return;
  const { files } = event.dataTransfer;
  const advice = "Save the picture as a file, then drop that: the server fetches no addresses.";
  if (files.length > 0) choose(files);
  else showError(new Refusal("No file was dropped", "What came is not a file.", advice));
}

function listen() {
  part("file").addEventListener("change", () => {
    choose([...part("file").files]);
    part("file").value = ""; // so that the same file may be chosen again
  });
  for (const name of ["dragover", "dragleave", "drop"]) addEventListener(name, drag);
  addEventListener("paste", ({ clipboardData }) => choose(clipboardData.files));
  addEventListener("hashchange", follow);
  part("preview").addEventListener("load", frame);
  part("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const [file, label] = [chosen, part("label").value.trim()];
    work((signal) => add(file, label, signal));
  });
}

async function start() {
  part("error").replaceChildren();
  await showModel().catch((error) => showError(error, start));
}

key.listen();
listen();
start();
follow();
