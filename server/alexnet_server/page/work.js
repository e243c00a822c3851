// What the page is doing: one task at a time, said in words, and what went wrong with it.

import { button, element } from "./element.js";
import * as key from "./key.js";
import { Refusal } from "./server.js";

const part = (id) => document.getElementById(id);
let current = new AbortController(); // ends the requests of what is on show

/** Do `task(signal)` instead of what still runs; it may return words to end on. */
export async function work(task) {
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
  // Not aria-busy: screen readers keep to themselves what is said inside of it, this too.
  part("status").classList.toggle("busy", isBusy);
  part("status").textContent = text;
}

/** Say what was refused and what to do; `repeat()` asks once more. Other errors are thrown. */
export function showError(error, repeat) {
  part("error").replaceChildren(...linesOf(error, repeat));
  part("error").scrollIntoView({ block: "nearest" });
}

/** What was refused and what to do, as elements; throws what is no Refusal. */
export function linesOf(error, repeat) {
  if (!(error instanceof Refusal)) throw error;
  const lines = [element("strong", error.title), element("p", error.detail)];
  if (error.advice) lines.push(element("p", error.advice));
  if (error.mayRepeat) lines.push(button("Try again", repeat));
  if (error.code === "forbidden") {
    const change = () => key.wanted("Enter one that may write.");
    lines.push(button("Use another key", async () => (await change()) && repeat()));
  }
  return lines;
}

/** Take away what was said of the last error. */
export function clearError() {
  part("error").replaceChildren();
}
