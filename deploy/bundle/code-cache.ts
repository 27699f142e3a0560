/**
 * Part of the build: runs the bundled program as a server, uses it like its first clients, and keeps the code that V8
 * has compiled by then.
 */
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable } from "node:stream";
import { fileURLToPath } from "node:url";
import Program from "../../src/start/program.cjs";
import { useAsClients } from "./clients.js";

const program = new Program(fileURLToPath(new URL("../../bundle/gantry.cjs", import.meta.url)));
if (program.wasCompiled) await compileMore();
// The server's module for sockets has no other end.
process.exit();

async function compileMore(): Promise<void> {
  const store = await mkdtemp(join(tmpdir(), "gantry-code-"));
  try {
    let stop = (): void => {};
    let printed = "";
    const output = new Writable({
      write(chunk, _encoding, done) {
        printed += chunk;
        const url = /^gantry ready on ([^,]+),/m.exec(printed)?.[1];
        if (url !== undefined) this.emit("ready", url);
        done();
      },
    });
    const ready = new Promise<string>((resolve) => output.once("ready", resolve));
    const ended = program.exports.run({
      words: ["serve"],
      env: { REGISTRY_HTTP_ADDR: "127.0.0.1:0", REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: store },
      stdout: output,
      stderr: output,
      onInterrupt: (interrupt) => {
        stop = interrupt;
        return () => {};
      },
    });
    const url = await Promise.race([ready, ended]);
    if (typeof url !== "string") throw new Error(`the bundled program does not start:\n${printed}`);
    await useAsClients(url);
    await program.saveCode();
    stop();
    await ended;
  } finally {
    await rm(store, { recursive: true });
  }
}
