// How far an upload is, and what became of its pictures.

import { button, duration, element } from "./element.js";
import { showModel } from "./model.js";
import { linesOf, showError } from "./work.js";

const SURE_AFTER_S = 2; // before, how long it takes is a guess
const part = (id) => document.getElementById(id);
const number = (count) => count.toLocaleString("en");
let began = { done: 0, timeMs: 0 };
let upload = null; // the one that runs
let tell; // called once there are more pictures in the index

/** Whether pictures are being added. */
export function isRunning() {
  return upload !== null;
}

/** Run `started`, an Upload, beside whatever the page is doing, and say what became of it. */
export async function run(started) {
  upload = started;
  upload.changed = showProgress;
  began = { done: upload.done, timeMs: performance.now() };
  clearOutcome();
  showProgress();
  part("adding-ways").hidden = true;
  part("adding-progress").hidden = false;
  part("adding-stop").disabled = false;
  part("adding-far").focus();
  addEventListener("beforeunload", ask);
  try {
    await upload.run();
  } finally {
    removeEventListener("beforeunload", ask);
    upload = null;
    showEnd(started);
  }
  if (isAnswered(started.ending)) await recount();
}

// The browser asks whether to leave.
function ask(event) {
  event.preventDefault();
}

function showProgress() {
  const { done, total, trouble, isStopped } = upload;
  Object.assign(part("adding-bar"), { max: total, value: done });
  const spentS = (performance.now() - began.timeMs) / 1000;
  const leftS = ((total - done) * spentS) / (done - began.done);
  const isSure = spentS > SURE_AFTER_S && Number.isFinite(leftS);
  const far = `${number(done)} of ${number(total)}`;
  if (isStopped) part("adding-far").textContent = `${far}, stopping …`;
  else if (trouble) part("adding-far").textContent = `${far}. ${trouble}: it is tried again.`;
  else part("adding-far").textContent = isSure ? `${far}, about ${duration(leftS)} left` : far;
}

function stop() {
  part("adding-stop").disabled = true;
  part("adding-far").focus(); // a disabled button has none
  upload.stop();
  showProgress();
}

function showEnd(ended) {
  const wasThere = part("adding-progress").contains(document.activeElement);
  part("adding-progress").hidden = true;
  part("adding-ways").hidden = false;
  part("adding-refused").replaceChildren(...ended.refused.map(line));
  part("adding-outcome").replaceChildren(...outcome(ended));
  if (wasThere) part("adding-outcome").focus();
}

function outcome(ended) {
  const { added, present, refused, left, ending, isStopped } = ended;
  const counts = [`${number(added)} added`, `${number(present)} there already`];
  counts.push(`${number(refused.length)} not added`);
  if (left.length > 0) counts.push(`${number(left.length)} not sent`);
  const stopped = isStopped ? "Stopped. What was added stays. " : "";
  const summary = element("p", `${stopped}${counts.join(", ")}.`);
  const again = () => run(ended);
  if (ending) return [summary, element("div", linesOf(ending, again), "refusal")];
  if (left.length > 0) return [summary, button(`Add the other ${number(left.length)}`, again)];
  const isWorthIt = refused.some(({ error }) => error.mayRepeat);
  return isWorthIt ? [summary, button("Try the failed ones again", again)] : [summary];
}

function line({ picture: { path }, error: { title, detail, advice } }) {
  const words = [element("strong", path), element("p", `${title}: ${detail}`)];
  return element("li", advice ? [...words, element("p", advice)] : words);
}

/** Take away what was said of the last one. */
export function clearOutcome() {
  part("adding-outcome").replaceChildren();
  part("adding-refused").replaceChildren();
}

// Whether the server says anything else to who asks now.
function isAnswered(ending) {
  return !ending || (ending.retryAfterS === null && ending.code !== "key_missing");
}

async function recount() {
  await showModel().catch((error) => showError(error, recount));
  tell();
}

/** Let the button that stops work; `added()` is called once there are more in the index. */
export function listen(added) {
  tell = added;
  part("adding-stop").addEventListener("click", stop);
}
