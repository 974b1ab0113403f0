// @ts-check
/** Sends the form and its file, and shows how far that is. */

import { standIn, submission } from "./answers.js";
import { CSRF, NO_ANSWER, newKey } from "./calls.js";
import { announce, byId } from "./elements.js";
import { LARGE, isAsChosen, whyBroken } from "./file.js";
import { clearProblem, showProblem } from "./problems.js";
import { sendInParts } from "./resumable.js";
import { duration, size } from "./words.js";

/** @typedef {import("./calls.js").Problem} Problem */

/** @param {HTMLFormElement} form */
export function startUpload(form) {
  /** @type {XMLHttpRequest|null} */
  let request = null;
  /** @type {{abort: () => void}|null} */
  let parts = null;
  let key = newKey(); // the same for as long as the same is asked, so that a lost answer starts nothing twice
  const release = () => {
    if (request?.status) key = newKey();
    request = parts = null;
    byId("upload").hidden = true;
    byId("start").disabled = false;
  };
  const end = (/** @type {() => void} */ then) => () => (release(), then());
  const leave = (/** @type {string} */ path) => {
    request = parts = null; // to leave breaks nothing off
    key = newKey();
    addEventListener("pagehide", release, { once: true }); // until then a click would send the table again
    location.assign(path);
  };
  form.addEventListener("input", () => (key = newKey()));
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    clearProblem(form);
    const [file] = byId("file").files;
    if (!file && !standIn(form)) return showProblem(form, NO_FILE);
    showStart();
    if (file && !(await isAsChosen(file))) return end(() => complain(form, file, NO_ANSWER))();
    if (byId("upload").hidden) return undefined; // cancelled meanwhile
    if (file?.size >= LARGE) {
      parts = startParts(form, file, leave, end);
      return undefined;
    }
    const sent = (request = send(submission(form), key));
    sent.onload = () => settle(sent, leave, (problem) => end(() => complain(form, file, problem))());
    sent.onerror = end(() => complain(form, file, NO_ANSWER));
    sent.onabort = end(CANCELLED);
    return undefined;
  });
  byId("upload-cancel").addEventListener("click", () => {
    if (request) return request.abort();
    parts?.abort();
    end(CANCELLED)();
  });
  addEventListener("beforeunload", (event) => request && event.preventDefault());
}

const CANCELLED = () => announce("The upload was cancelled.");
const NO_FILE = {
  title: "There is no file yet",
  detail: "",
  errors: [{ code: "no_file", detail: "Choose the table first.", pointer: "/file" }],
};

/** Send a table that is worth it so that it can go on. @param {HTMLFormElement} form @param {File} file
 * @param {(path: string) => void} leave @param {(then: () => void) => () => void} end @returns {{abort: () => void}} */
function startParts(form, file, leave, end) {
  const began = performance.now();
  /** @type {number|null} */
  let first = null;
  return sendInParts(submission(form), file, {
    onProgress: (done, total) => showUpload(done, total, (performance.now() - began) / 1000, (first ??= done)),
    onWait: (seconds) => (byId("upload-says").textContent = `The link is lost; trying again in ${seconds} s`),
    onJob: (path) => leave(path.replace("/v1", "")),
    onProblem: (problem) => end(() => complain(form, file, problem ?? NO_ANSWER))(),
  });
}

/** @param {FormData} data @param {string} key @returns {XMLHttpRequest} */
function send(data, key) {
  const request = new XMLHttpRequest();
  const began = performance.now();
  request.open("POST", "/v1/jobs");
  request.responseType = "json";
  for (const [name, value] of Object.entries({ ...CSRF, "Idempotency-Key": key })) request.setRequestHeader(name, value);
  request.upload.onprogress = (event) => showUpload(event.loaded, event.total, (performance.now() - began) / 1000);
  request.send(data);
  return request;
}

function showStart() {
  byId("upload").hidden = false;
  byId("start").disabled = true;
  showUpload(0, 0, 0);
}

/** @param {number} done @param {number} total @param {number} seconds @param {number} [first] what was there before */
function showUpload(done, total, seconds, first = 0) {
  byId("upload-bar").value = total ? done / total : 0;
  const rate = seconds > 0.2 ? (done - first) / seconds : 0;
  const left = rate ? `, ${duration((total - done) / rate)} left` : "";
  const words = total && done >= total ? "Looking at the table" : `${size(done)} of ${size(total)} sent`;
  byId("upload-says").textContent = words + (rate && done < total ? ` at ${size(rate)}/s${left}` : "");
  if (total) announce(`${Math.floor((4 * done) / total) * 25} % sent`);
}

/** @param {XMLHttpRequest} sent @param {(path: string) => void} leave @param {(problem: Problem) => void} refused */
function settle({ status, response }, leave, refused) {
  if (status < 300 && response?.id) leave(`/jobs/${response.id}`);
  else refused(response?.title ? response : NO_ANSWER);
}

/** Say that the file is another by now, or else the problem. @param {HTMLFormElement} form @param {File|undefined} file
 * @param {Problem} problem */
async function complain(form, file, problem) {
  const found = await whyBroken(file, problem);
  if (found !== problem) {
    byId("file").value = ""; // else to choose the same one is no change
    byId("file").dispatchEvent(new Event("change"));
  }
  showProblem(form, found);
}
