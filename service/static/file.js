// @ts-check
/** Shows which file is chosen. */

import { byId } from "./elements.js";
import { size } from "./words.js";

export function showFile() {
  const [file] = byId("file").files;
  byId("drop").classList.toggle("full", Boolean(file));
  byId("file-name").textContent = file?.name ?? "Drop a table here, or choose a file";
  byId("file-facts").textContent = byId("file-facts").dataset.size = file ? size(file.size) : "";
}
