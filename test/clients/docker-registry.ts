/** Debian's docker-registry (CNCF distribution 2.8.2), to compare Gantry with, and to import from. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.js";
import { startDaemon } from "./support.js";

export interface DockerRegistry extends AsyncDisposable {
  /** "127.0.0.1:PORT" */
  readonly host: string;
}

/** Serves the folder's `old`. `settings` are additional lines of its configuration file. */
export async function startDockerRegistry(folder: string, settings = ""): Promise<DockerRegistry> {
  const host = `127.0.0.1:${await freePort()}`;
  const file = join(folder, "registry.yml");
  await writeFile(
    file,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(folder, "old")}}, delete: {enabled: true}}
http: {addr: ${host}}
${settings}`,
  );
  const daemon = await startDaemon("docker-registry", ["serve", file], async () => {
    assert.notEqual((await fetch(`http://${host}/v2/`)).status, 503);
  });
  return { host, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
