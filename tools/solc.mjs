#!/usr/bin/env node
// The Solidity compiler for forge: the WebAssembly build that the Solidity team publishes on npm, behind the three
// options that forge uses. Same version, same bytecode as the native build, and nothing to download.
//
// forge sends all sources on stdin, so the options that name folders (--base-path, --include-path, --allow-paths)
// have nothing left to do and are ignored.
import { readFileSync, writeSync } from "node:fs";
import solc from "solc";

function print(text) {
  const bytes = Buffer.from(text);
  for (let sent = 0; sent < bytes.length; ) {
    try {
      sent += writeSync(1, bytes, sent);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error; // a full pipe: try again
    }
  }
}

const options = process.argv.slice(2);
if (options.includes("--version")) {
  print(`solc, the solidity compiler commandline interface\nVersion: ${solc.version()}\n`);
} else if (options.includes("--standard-json")) {
  print(solc.compile(readFileSync(0, "utf8")));
} else {
  process.stderr.write("solc.mjs answers --version and --standard-json only\n");
  process.exitCode = 1;
}
