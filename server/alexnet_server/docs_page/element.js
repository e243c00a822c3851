// Making elements: what is put in is text or other elements, never HTML.

/** `<tag>` around `children`, each text or an element. */
export function element(tag, ...children) {
  const made = document.createElement(tag);
  made.append(...children);
  return made;
}

/** A table; each cell is text or an element. It scrolls by itself where the window is narrow. */
export function table(heads, rows) {
  const head = heads.map((text) => {
    const cell = element("th", text);
    cell.scope = "col";
    return cell;
  });
  const body = rows.map((cells) => element("tr", ...cells.map((one) => element("td", one))));
  const frame = element(
    "div",
    element("table", element("thead", element("tr", ...head)), element("tbody", ...body)),
  );
  frame.className = "frame";
  frame.tabIndex = 0; // so that the arrow keys scroll it
  frame.role = "group";
  frame.ariaLabel = `Table: ${heads.join(", ")}`;
  return frame;
}
