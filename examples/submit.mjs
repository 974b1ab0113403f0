// Another service hands Rowmill a table and awaits the answers. It needs amqplib and nothing of Rowmill's.
// usage: node submit.mjs table.csv kind    (AMQP_URL says where the broker is)
import { randomUUID } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename } from "node:path";
import amqplib from "amqplib";

const [path, kind] = process.argv.slice(2);
const connection = await amqplib.connect(process.env.AMQP_URL ?? "amqp://guest:guest@localhost/");
const channel = await connection.createConfirmChannel();
channel.on("return", () => { console.error("nobody takes jobs there"); process.exit(2); });
const replies = await channel.assertQueue("", { exclusive: true });

const ended = new Promise((resolve) => channel.consume(replies.queue, (answer) => {
  const what = answer.properties.type, data = JSON.parse(answer.content).data;
  console.log(what, data.detail ?? data.report?.headline ?? data.id);
  if (what !== "rowmill.job.accepted.v1") resolve(what === "rowmill.job.succeeded.v1" ? 0 : 1);
}, { noAck: true }));

channel.publish("rowmill", "job.submit", readFileSync(path), {
  contentType: "text/csv",
  headers: { kind, filename: basename(path) },
  messageId: randomUUID(), // sent twice, it still is one job
  replyTo: replies.queue,
  correlationId: basename(path),
  persistent: true,
  mandatory: true,
});
await channel.waitForConfirms();
const code = await ended;
await connection.close();
process.exit(code);
