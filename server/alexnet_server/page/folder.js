// Which of the files chosen are pictures, and the folder of each as its label. As `alexnet add`
// does it: hidden files are passed over, and what lies right in the folder chosen has no label.

// What the server reads, and what browsers can draw (readable.js): not every system knows a type
// for each of them.
const SUFFIX = /\.(jpe?g|png|webp|gif|bmp|avif|hei[cf]|jxl|tiff?)$/i;
const HIDDEN = /(^|\/)\./;

/**
 * The pictures among `files`, each `{file, path, label}`, the paths of the others as `leftOut`, and
 * `common`: the name of the folder where all pictures lie right in the one chosen, else "".
 */
export function picturesOf(files) {
  const all = [...files].map(picture);
  const pictures = all.filter(isPicture);
  const leftOut = all.filter((one) => !isPicture(one)).map(({ path }) => path);
  const roots = new Set(pictures.map(({ path, label }) => (label ? "" : rootOf(path))));
  return { pictures, leftOut, common: roots.size === 1 ? [...roots][0] : "" };
}

function picture(file) {
  const path = file.webkitRelativePath || file.name;
  const folders = path.split("/").slice(1, -1); // below the one chosen
  return { file, path, label: folders.at(-1) ?? "" };
}

function rootOf(path) {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

function isPicture({ file: { name, type }, path }) {
  if (HIDDEN.test(path)) return false;
  return SUFFIX.test(name) || (type.startsWith("image/") && type !== "image/svg+xml");
}
