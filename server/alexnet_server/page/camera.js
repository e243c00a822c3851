// A photo taken on the spot: by the phone's own camera, or by the computer's in a dialog.

import { drawn } from "./canvas.js";
import { Refusal } from "./server.js";
import { clearError, showError } from "./work.js";

const part = (id) => document.getElementById(id);
// Wishes: of what the camera has, the nearest is taken. Unasked, it would be 640 x 480, and on a
// tablet the camera that looks at the person.
const WISHES = { width: { ideal: 1920 }, height: { ideal: 1080 }, facingMode: "environment" };

// W3C Media Capture and Streams, 10.2 (getUserMedia): what it may end with.
const REFUSED = {
  NotAllowedError: [
    "The camera is not allowed",
    "The browser, or the settings of this computer, keep it from this page.",
    "Allow it at the sign beside the address (on a Mac also: System Settings > Privacy & " +
      "Security > Camera), then try again. Or choose a picture.",
  ],
  NotFoundError: [
    "No camera was found",
    "This computer has none, or it is switched off.",
    "Plug one in or switch it on, then try again. Or choose a picture.",
  ],
  NotReadableError: [
    "The camera does not answer",
    "Most often another program is using it.",
    "End the video call or the program that uses it, then try again. Or choose a picture.",
  ],
};
REFUSED.SecurityError = REFUSED.NotAllowedError;
REFUSED.OverconstrainedError = REFUSED.NotFoundError; // the one chosen was unplugged
REFUSED.AbortError = REFUSED.NotReadableError;

let watching = new AbortController(); // its end is the end of the camera's stream

// Browsers know `capture` where a camera comes with the system; a computer with a touch screen
// would show a folder of files instead.
const isPhone = () =>
  matchMedia("(pointer: coarse)").matches && "capture" in HTMLInputElement.prototype;

function open() {
  clearError();
  part("camera").showModal();
  watch();
}

async function watch(deviceId) {
  watching.abort();
  watching = new AbortController();
  const { signal } = watching;
  part("shutter").disabled = true;
  part("camera-status").textContent = "Waiting for the camera …";
  try {
    const video = deviceId ? { ...WISHES, deviceId: { exact: deviceId } } : WISHES;
    const stream = await navigator.mediaDevices.getUserMedia({ video });
    signal.addEventListener("abort", () => end(stream));
    if (signal.aborted) return end(stream); // closed while the browser asked for permission
    const [track] = stream.getVideoTracks();
    track.addEventListener("ended", () => refuse({ name: "NotFoundError" })); // unplugged
    part("video").srcObject = stream;
    await Promise.all([part("video").play(), offerCameras(track)]);
    if (!signal.aborted) ready();
  } catch (error) {
    if (!signal.aborted) refuse(error);
  }
}

function end(stream) {
  for (const track of stream.getTracks()) track.stop();
}

// Their names are known once the camera may be used.
async function offerCameras(track) {
  const devices = await navigator.mediaDevices.enumerateDevices();
  const cameras = devices.filter(({ kind }) => kind === "videoinput");
  const used = track.getSettings().deviceId;
  const options = cameras.map(({ deviceId, label }, number) => {
    const isUsed = deviceId === used;
    return new Option(label || `Camera ${number + 1}`, deviceId, isUsed, isUsed);
  });
  part("which-camera").replaceChildren(...options);
  part("cameras").hidden = cameras.length < 2;
}

function ready() {
  part("camera-status").textContent = "";
  part("shutter").disabled = false;
  if (document.activeElement !== part("which-camera")) part("shutter").focus();
}

function refuse(error) {
  part("camera").close();
  if (!(error.name in REFUSED)) throw error;
  showError(new Refusal(...REFUSED[error.name], true), open);
}

async function take(give) {
  const { videoWidth: width, videoHeight: height } = part("video");
  part("shutter").disabled = true; // pressed twice, it is one photo
  const photo = await drawn(part("video"), { width, height }, "photo.jpg", "image/jpeg");
  if (!part("camera").open) return;
  part("camera").close();
  give([photo]);
}

function closed() {
  watching.abort();
  part("video").srcObject = null;
  part("cameras").hidden = true;
  part("take").focus(); // the browser itself gives focus back only to what took it by a click
}

function listenToDialog(give) {
  part("shutter").addEventListener("click", () => take(give));
  part("camera-cancel").addEventListener("click", () => part("camera").close());
  part("camera").addEventListener("close", closed);
  part("which-camera").addEventListener("change", () => watch(part("which-camera").value));
  part("video").addEventListener("resize", ({ target: { videoWidth, videoHeight } }) => {
    if (videoHeight) part("viewfinder").style.setProperty("--ratio", videoWidth / videoHeight);
  });
  document.addEventListener("visibilitychange", () => {
    if (document.hidden && part("camera").open) part("camera").close();
  });
}

/** Offer the camera, where there is a way to one; `give([file])` receives each photo. */
export function listen(give) {
  const hasOwn = isPhone();
  // Browsers keep the computer's cameras from pages that came over plain http from elsewhere.
  part("take").hidden = !hasOwn && !navigator.mediaDevices;
  part("take").addEventListener("click", () => (hasOwn ? part("photo").click() : open()));
  part("photo").addEventListener("change", () => {
    give([...part("photo").files]);
    part("photo").value = "";
  });
  listenToDialog(give);
}
