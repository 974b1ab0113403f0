// @ts-check
/** The chosen file: what is shown of it, and whether it is still the one that was chosen. */

import { NO_ANSWER } from "./calls.js";
import { byId } from "./elements.js";
import { size } from "./words.js";

export const LARGE = 8 * 2 ** 20; // bytes from which on a file is sent in parts
const END = 65_536; // bytes
/** How each file was when it was chosen. @typedef {{length: number, end: Uint8Array}} Look
 * @type {WeakMap<File, Promise<Look|null>>} */
const looks = new WeakMap();

/** @typedef {import("./calls.js").Problem} Problem
 * @type {Problem} */
const CHANGED = {
  title: "The file is not as it was chosen",
  detail: "",
  errors: [{ code: "changed_file", detail: "It was changed, moved or is a folder; choose it again.", pointer: "/file" }],
};

export function showFile() {
  const { files } = byId("file");
  const [file] = files;
  if (file) heed(file);
  const others = files.length > 1 ? `, the first of ${files.length} files; the others are not sent` : "";
  byId("drop").classList.toggle("full", Boolean(file));
  byId("file-name").textContent = file?.name ?? "Drop a table here, or choose a file";
  byId("file-facts").textContent = byId("file-facts").dataset.size = file ? size(file.size) + others : "";
}

/** Remember how the file is, to know later whether it is the same. @param {File} file */
function heed(file) {
  if (!looks.has(file)) looks.set(file, look(file));
}

/**
 * Whether the file can be read and was not saved anew since it was chosen. Most browsers read no such file; Firefox reads
 * on, up to the length that it had, and would send a table that is cut off, or put together of two.
 * @param {File} file @returns {Promise<boolean>}
 */
export async function isAsChosen(file) {
  const now = await look(file);
  const then = (await looks.get(file)) ?? now;
  return Boolean(now && then && now.length === then.length && now.end.every((byte, at) => byte === then.end[at]));
}

/** What is wrong with the file, or else *problem*. @param {File|undefined} file @param {Problem} [problem] */
export const whyBroken = async (file, problem = NO_ANSWER) => (!file || (await isAsChosen(file)) ? problem : CHANGED);

/** How the file ends, since whatever makes it longer or shorter moves its end; nothing of one that cannot be read.
 * @param {File} file @returns {Promise<Look|null>} */
async function look(file) {
  const read = await (file.size < LARGE ? file : file.slice(-END)).arrayBuffer().catch(() => null);
  return read && { length: read.byteLength, end: new Uint8Array(read.slice(-END)) };
}
