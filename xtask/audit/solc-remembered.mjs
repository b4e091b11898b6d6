#!/usr/bin/env node
// tools/solc.mjs, but each question is asked once: forge asks the compiler about sources that have not changed whenever it runs
// tests, and a mutant changes artifacts only. argv[2] on is forge's; NTHROOT_SOLC is the compiler, and answers lie beside this file.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, renameSync, writeFileSync, writeSync } from "node:fs";
import { spawnSync } from "node:child_process";

const options = process.argv.slice(2);
const input = options.includes("--standard-json") ? readFileSync(0) : Buffer.alloc(0);
const question = createHash("sha256").update(options.join(" ")).update(input).digest("hex");
const answer = new URL(`./${question}`, import.meta.url);
if (!existsSync(answer)) {
  const asked = spawnSync(process.execPath, [process.env.NTHROOT_SOLC, ...options], { input, maxBuffer: 2 ** 30 });
  if (asked.status !== 0) {
    process.stderr.write(asked.stderr);
    process.exit(asked.status ?? 1);
  }
  const draft = new URL(`./${question}.${process.pid}`, import.meta.url);
  writeFileSync(draft, asked.stdout);
  renameSync(draft, answer);
}
const bytes = readFileSync(answer);
for (let sent = 0; sent < bytes.length; ) {
  try {
    sent += writeSync(1, bytes, sent);
  } catch (error) {
    if (error.code !== "EAGAIN") throw error; // a full pipe: try again
  }
}
