// Uploads a table with tus-js-client, goes on where the link broke off, and waits for the result.
//   ROWMILL_URL=http://127.0.0.1:8080 node upload.mjs ../samples/sales.csv sales
import { createReadStream, statSync } from "node:fs";
import { basename } from "node:path";
import { Upload } from "tus-js-client";

const [path, kind = "profile"] = process.argv.slice(2);
const server = process.env.ROWMILL_URL ?? "http://127.0.0.1:8080";
const headers = process.env.ROWMILL_KEY ? { Authorization: `Bearer ${process.env.ROWMILL_KEY}` } : {};

function upload() {
  return new Promise((resolve, reject) => {
    new Upload(createReadStream(path), {
      endpoint: `${server}/v1/uploads`,
      headers,
      metadata: { filename: basename(path), kind },
      uploadSize: statSync(path).size,
      chunkSize: 16 * 2 ** 20,
      retryDelays: [0, 500, 1000, 2000, 4000, 8000],
      onError: reject,
      onSuccess: ({ lastResponse }) => resolve(lastResponse.getHeader("Rowmill-Job")),
    }).start();
  });
}

async function finished(job) {
  for (;;) {
    const answer = await fetch(server + job, { headers: { ...headers, Prefer: "wait=30" } });
    const told = await answer.json();
    if (!answer.ok) throw new Error(told.detail);
    if (told.finished_at) return told;
  }
}

const job = await finished(await upload());
console.log(JSON.stringify({ id: job.id, state: job.state, numbers: job.report?.numbers }));
process.exit(job.state === "succeeded" ? 0 : 1);
