// Where each step of the network runs: its layers, its tower, its device.

const STEP = /^s\d+_(?<layers>.+?)(?:_(?<tower>tower[01]))?$/;

/**
 * The steps in their order, each `{ layers, tower, device }`; no `tower` where one step reads both.
 * @param {Object<string, string>} steps as GET /model has them
 */
export function placed(steps) {
  return Object.entries(steps)
    .sort(([one], [other]) => (one < other ? -1 : 1)) // names sort in the order of the data
    .map(([name, device]) => {
      const { layers = name, tower } = STEP.exec(name)?.groups ?? {};
      return { layers: spelt(layers), tower, device };
    });
}

// "conv345" is conv3, conv4 and conv5; "norm2_conv3" is norm2 and conv3.
function spelt(layers) {
  const all = layers.split("_").flatMap((some) => {
    const [, kind, numbers] = /^([a-z]+)(\d+)$/.exec(some) ?? [];
    return kind ? [...numbers].map((number) => kind + number) : some;
  });
  return all.join(", ");
}

/** Where a tower runs, as in a sentence: "the CPU", "cuda:0"; "" where that is not known. */
export function placeOf(tower, steps) {
  const devices = placed(steps).filter((step) => step.tower === tower).map(({ device }) => device);
  return [...new Set(devices)].map(inWords).join(" and ");
}

function inWords(device) {
  return device === "cpu" ? "the CPU" : device;
}

/** In a sentence: "Tower 0 on cuda:0, tower 1 on cuda:1; fc8, which reads both, on cuda:0". */
export function placesOf(steps) {
  const all = placed(steps);
  const joint = all.filter(({ tower }) => !tower);
  if (joint.length === all.length) return `All of it on ${placeOf(undefined, steps)}`;
  const devices = new Set(all.map(({ device }) => device));
  if (devices.size === 1) return `Both towers on ${inWords(all[0].device)}`;
  const towers = `Tower 0 on ${placeOf("tower0", steps)}, tower 1 on ${placeOf("tower1", steps)}`;
  const rest = joint.map(
    ({ layers, device }) => `; ${layers}, which reads both, on ${inWords(device)}`,
  );
  return towers + rest.join("");
}
