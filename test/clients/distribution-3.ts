/** CNCF distribution 3, built by .ci/install, to compare Gantry's responses with. */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { freePort } from "../support/free-port.js";
import type { Machine } from "./machine.js";
import { startDaemon } from "./support.js";

export interface Distribution3 extends AsyncDisposable {
  /** "http://127.0.0.1:PORT" */
  readonly url: string;
}

export interface Distribution3Options {
  /** Settings as YAML: of `http`, and whole lines. */
  readonly http?: string;
  readonly lines?: string;
  /** Another machine, and the address there. */
  readonly on?: { readonly machine: Machine; readonly host: string };
}

/** Serves an empty store in the folder `name` below `folder`. */
export async function startDistribution3(
  folder: string,
  name: string,
  { http = "", lines = "", on }: Distribution3Options = {},
): Promise<Distribution3> {
  const host = on?.host ?? `127.0.0.1:${await freePort()}`;
  const file = join(folder, `${name}.yml`);
  await writeFile(
    file,
    `version: 0.1
log: {level: error, accesslog: {disabled: true}}
storage: {filesystem: {rootdirectory: ${join(folder, name)}}, delete: {enabled: true}}
http: {addr: ${host}${http === "" ? "" : `, ${http}`}}
${lines}
`,
  );
  const [program = "", ...args] = [...(on?.machine.enter ?? []), "registry", "serve", file];
  const daemon = await startDaemon(program, args, async () => {
    if (on === undefined) assert.notEqual((await fetch(`http://${host}/v2/`)).status, 503);
    else await on.machine.run("curl", ["--silent", "--fail", `http://${host}/v2/`]);
  });
  return { url: `http://${host}`, [Symbol.asyncDispose]: () => daemon[Symbol.asyncDispose]() };
}
