// A picture goes to the server, and what the server answers is shown.

import * as adding from "./adding.js";
import { addressOf, here } from "./address.js";
import * as camera from "./camera.js";
import * as card from "./card.js";
import * as filter from "./filter.js";
import * as key from "./key.js";
import { isIndexUsable, showModel } from "./model.js";
import { clearNeighbors, emptyNeighbors, searchFor, showSimilar } from "./neighbors.js";
import * as picture from "./picture.js";
import { clearPredictions, showPredictions } from "./predictions.js";
import { readable } from "./readable.js";
import * as samples from "./samples.js";
import { ask, Refusal } from "./server.js";
import { thumbnail } from "./thumbnail.js";
import { clearTowers, showTowers } from "./towers.js";
import { post, store } from "./upload.js";
import { clearError, showError, work } from "./work.js";

const part = (id) => document.getElementById(id);
let chosen = null; // the File given last
let narrowing = new AbortController();

async function lookAt(given, signal) {
  clearAnswers();
  picture.showFile(given);
  const file = await readable(given);
  signal.throwIfAborted();
  if (file !== given) picture.showFile(file);
  chosen = file; // so that it is converted once
  const asked = [showPredictions(post(file, signal))];
  if (isIndexUsable()) asked.push(searchToAdd(file, signal));
  const refused = (await Promise.allSettled(asked)).find(({ reason }) => reason);
  if (refused) throw refused.reason;
  await showTowers(post(file, signal)); // the answers first: this is for looking
}

async function searchToAdd(file, signal) {
  await searchFor(post(file, signal), here().label);
  part("add").hidden = false;
}

async function add(file, label, signal) {
  const isNew = await store(file, label, signal);
  await Promise.all([searchToAdd(file, signal), showModel()]);
  return isNew ? "Added to the index." : "It was in the index already.";
}

async function goOnFrom(id, signal) {
  clearAnswers();
  picture.showPicture("", "Stored picture", true);
  part("shown").focus();
  const [stored] = await Promise.all([
    ask(`images/${id}`, { signal }),
    showSimilar(id, here().label, signal),
  ]);
  const caption = `Stored picture: ${stored.label ?? "no label"}`;
  picture.showPicture(await thumbnail(id, signal), caption, true);
}

function clearAnswers() {
  clearPredictions();
  clearTowers();
  clearNeighbors();
  part("add").hidden = true;
}

function choose(files) {
  if (files.length === 0) return;
  if (files.length > 1 && isIndexUsable()) return adding.offer(files);
  chosen = files[0];
  // Going back leads to the stored picture that was on show before.
  if (location.hash) history.pushState(null, "", addressOf(null, ""));
  follow();
}

function chooseSample(button) {
  work(async (signal) => {
    const file = await samples.fileOf(button, signal);
    signal.throwIfAborted();
    choose([file]);
  });
}

// Beside whatever is asked of the picture on show.
async function offerSamples() {
  clearError();
  try {
    adding.offerLabelled(await samples.all());
  } catch (error) {
    showError(error, offerSamples);
  }
}

// Back where the page began.
async function showNothing() {
  clearAnswers();
  part("shown").hidden = true;
  return "";
}

// The address names the stored picture on show and the filter, so that going back and links work.
function follow() {
  const { id } = here();
  const file = chosen;
  narrowing.abort();
  if (id) work((signal) => goOnFrom(id, signal));
  else if (file) work((signal) => lookAt(file, signal));
  else work(showNothing);
}

function chooseLabel(label) {
  const shown = here();
  if (label === shown.label) return;
  history.pushState(null, "", addressOf(shown.id, label));
  narrow();
}

// Searches again, beside whatever else is still asked of the picture on show.
async function narrow() {
  narrowing.abort();
  narrowing = new AbortController();
  const { signal } = narrowing;
  const { id, label } = here();
  clearError();
  try {
    if (id) await showSimilar(id, label, signal);
    else await searchFor(post(chosen, signal), label);
  } catch (error) {
    if (signal.aborted) return;
    emptyNeighbors();
    showError(error, narrow);
  }
}

// Anything dropped is ours, else the browser opens it and leaves the page.
function drag(event) {
  const isText = !event.dataTransfer.types.includes("Files");
  if (isText && event.target.matches?.("input:not([type=file])")) return;
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
  filter.listen(chooseLabel);
  part("add").addEventListener("submit", (event) => {
    event.preventDefault();
    const [file, label] = [chosen, part("label").value.trim()];
    work((signal) => add(file, label, signal));
  });
}

async function start() {
  clearError();
  await showModel().catch((error) => showError(error, start));
}

adding.listen(() => {
  if (!part("empty").hidden) narrow(); // it says that there are none
});
card.listen();
key.listen();
picture.listen();
samples.listen(chooseSample, offerSamples);
camera.listen(choose);
listen();
start();
follow();
