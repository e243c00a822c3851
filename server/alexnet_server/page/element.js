// Making elements: what is put in is text or other elements, never HTML. A label may hold anything.

/** An element holding `content`: text, an element, or a list of both. */
export function element(tag, content = [], className = "") {
  const made = document.createElement(tag);
  made.className = className;
  made.append(...[content].flat());
  return made;
}

/** A button that does `act` when pressed. */
export function button(text, act) {
  const made = element("button", text);
  made.type = "button";
  made.addEventListener("click", act);
  return made;
}

/** A share as a percentage; nothing is rounded to certainty: 0.99999 is not 100 %. */
export function percent(share) {
  if (share > 0 && share < 0.001) return "< 0.1 %";
  if (share < 1 && share > 0.999) return "> 99.9 %";
  return `${(100 * share).toFixed(1)} %`;
}

/** "1 picture", "2,000 pictures". */
export function counted(count, noun) {
  return `${count.toLocaleString("en")} ${noun}${count === 1 ? "" : "s"}`;
}

/** "8 s", "3 min": so many seconds, rounded up. */
export function duration(seconds) {
  return seconds > 100 ? `${Math.ceil(seconds / 60)} min` : `${Math.ceil(seconds)} s`;
}
