// @ts-check
/** The form for a new job. */

import { startChecks } from "./checks.js";
import { byId } from "./elements.js";
import { showFile } from "./file.js";
import { startPreview } from "./preview.js";
import { offerUnfinished } from "./unfinished.js";
import { startUpload } from "./upload.js";

/** @param {HTMLFormElement} form */
export function startForm(form) {
  byId("file").addEventListener("change", showFile);
  byId("more-email").addEventListener("click", addEmail);
  startDrop(byId("file"));
  startChecks(form);
  startPreview(form);
  startUpload(form);
  offerUnfinished(form);
  if (byId("file").files.length) showFile(); // the browser kept it over a reload
  byId("start").disabled = !form.querySelector("[name=kind]"); // before, the browser would send no settings
}

function addEmail() {
  const [first] = byId("emails").children;
  const another = /** @type {HTMLInputElement} */ (first.cloneNode());
  Object.assign(another, { value: "", id: `email-${byId("emails").children.length}` });
  for (const name of ["aria-invalid", "aria-describedby"]) another.removeAttribute(name); // what was said of the first
  another.setAttribute("aria-label", "Another e-mail address");
  byId("emails").append(another);
  another.focus();
}

/** The whole page takes a dropped file. @param {HTMLInputElement} file */
function startDrop(file) {
  const over = (/** @type {DragEvent} */ event, /** @type {boolean} */ is) => {
    if (!event.dataTransfer?.types.includes("Files")) return; // words, on their way into a field
    event.preventDefault();
    byId("drop").classList.toggle("over", is);
  };
  addEventListener("dragover", (event) => over(event, true));
  addEventListener("dragleave", (event) => over(event, event.relatedTarget !== null));
  addEventListener("drop", (event) => {
    over(event, false);
    if (!event.dataTransfer?.files.length) return;
    file.files = event.dataTransfer.files;
    file.dispatchEvent(new Event("change"));
  });
}
