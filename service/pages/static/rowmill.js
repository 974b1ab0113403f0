// @ts-check
/** Makes the server's pages live. It renders nothing that the server renders, and text from files only ever becomes text. */

import { byId } from "./elements.js";
import { startJob } from "./job.js";
import { startJobs } from "./jobs.js";
import { startRejects } from "./rejects.js";
import { startShortcuts } from "./shortcuts.js";
import { localise } from "./words.js";

localise(document);
startShortcuts();
startRejects();
const page = byId("main");
if (page.dataset.page === "job") startJob(page);
if (page.dataset.page === "jobs") startJobs();
