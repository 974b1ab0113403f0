// @ts-check
/** The list of jobs. */

import { byId } from "./elements.js";
import { startForm } from "./form.js";
import { Link, paced, renewPart } from "./link.js";

export function startJobs() {
  const renew = paced(async () => void (await renewPart("list")));
  new Link("/v1/stream", renew, () => false).connect();
  startForm(byId("new"));
}
