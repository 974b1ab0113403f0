// @ts-check
/** The chosen file: what is shown of it, and whether it can still be read. */

import { NO_ANSWER } from "./calls.js";
import { byId } from "./elements.js";
import { size } from "./words.js";

/** @type {import("./calls.js").Problem} */
const CHANGED = {
  title: "The file is not as it was chosen",
  detail: "",
  errors: [{ code: "changed_file", detail: "It was changed, moved or is a folder; choose it again.", pointer: "/file" }],
};

export function showFile() {
  const { files } = byId("file");
  const [file] = files;
  const others = files.length > 1 ? `, the first of ${files.length} files; the others are not sent` : "";
  byId("drop").classList.toggle("full", Boolean(file));
  byId("file-name").textContent = file?.name ?? "Drop a table here, or choose a file";
  byId("file-facts").textContent = byId("file-facts").dataset.size = file ? size(file.size) + others : "";
}

/** Browsers read no file that was saved anew since it was chosen. @param {File} file @returns {Promise<boolean>} */
export const isReadable = (file) => file.slice(0, 1).arrayBuffer().then(() => true, () => false);

/** Why there was no answer to what was sent with *file*. @param {File|undefined} file */
export const whyBroken = async (file) => (!file || (await isReadable(file)) ? NO_ANSWER : CHANGED);
