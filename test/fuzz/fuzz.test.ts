/**
 * Sends requests to a server with logins, over its own sockets: the server continues, uses no more memory, stores nothing,
 * and grants nothing beyond the policy. GANTRY_FUZZ_REQUESTS sets the number, GANTRY_FUZZ_SEED the seed: the same seed
 * repeats the requests, except signatures and digests of the run's content.
 */
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFile, stat } from "node:fs/promises";
import { join } from "node:path";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { gantryProcess as command } from "../support/command.js";
import { RawConnection } from "../support/raw.js";
import { storedByRequests } from "../support/store.js";
import { Random } from "../torture/random.js";
import { faultOf } from "./judge.js";
import { drawRequest, type FuzzRequest } from "./requests.js";
import { makeWorld } from "./world.js";

const count = Number(process.env.GANTRY_FUZZ_REQUESTS ?? 100_000);
const seed = process.env.GANTRY_FUZZ_SEED ?? randomBytes(4).toString("hex");

/** Concurrent requests. */
const lanes = 32;
/** A server that has done little uses about 120 MB; its caches of verdicts and tokens may use about 20 MB each. */
const residentBytesMax = 384 * 1024 * 1024;
const faultsMax = 20;

const world = await makeWorld();
const { gantry } = world;
after(() => gantry.stop());

test(`${count} requests (seed ${seed}): nothing is granted, stored or broken`, async (t) => {
  const before = await stored();
  const answers = new Map<string, number>();
  const faults: string[] = [];
  let next = 0;
  const lane = async () => {
    let connection: RawConnection | undefined;
    while (next < count && faults.length < faultsMax) {
      const index = next++;
      const request = drawRequest(new Random(`${seed} ${index}`), world);
      if (connection === undefined || connection.closed || !request.honest) {
        connection?.vanish();
        connection = await RawConnection.open(gantry.url);
      }
      const answered = await exchange(connection, request);
      const status = /^HTTP\/1\.1 (\d{3})/.exec(answered)?.[1] ?? "none";
      answers.set(status, (answers.get(status) ?? 0) + 1);
      const fault = faultOf(request, answered);
      if (fault !== undefined) faults.push(`request ${index}: ${fault}\n${request.text}\n${answered}`);
      if (!request.honest || answered === "") {
        connection.vanish();
        connection = undefined;
      }
    }
    connection?.vanish();
  };
  await Promise.all(Array.from({ length: lanes }, lane));

  assert.deepEqual(faults, []);
  assert.equal((await new Client(gantry.url).get("/livez")).status, 200, gantry.log());
  assert.deepEqual(await stored(), before);
  const status = await readFile(`/proc/${gantry.pid}/status`, "utf8");
  const peak = Number(/^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1]) * 1024;
  assert.ok(peak < residentBytesMax, `at most ${peak} bytes of memory`);
  const told = Array.from(answers, ([name, times]) => `${name}: ${times}`).sort();
  assert.ok((answers.get("200") ?? 0) > count / 100, "some get what they may have");
  t.diagnostic(`${told.join(", ")}; ${Math.round(peak / 2 ** 20)} MiB at the most`);
});

/** Returns the whole response as latin 1; for a request that is not honest, until the server closes the connection. */
async function exchange(connection: RawConnection, { text, honest }: FuzzRequest): Promise<string> {
  connection.write(text);
  try {
    if (!honest) {
      connection.socket.end();
      await connection.ended();
      return connection.received;
    }
    const { head, body } = await connection.answer(text.startsWith("HEAD "));
    return `${head}\r\n\r\n${body}`;
  } catch (error) {
    // The server may close a connection that it does not understand, but must not hang.
    if (!connection.closed) throw error;
    return connection.received;
  }
}

/** Every file's path and size, including uploads, and the server's own counts. */
async function stored(): Promise<unknown> {
  const paths = await storedByRequests(gantry.root);
  const sizes = await Promise.all(
    paths.map(async (path) => {
      const found = await stat(join(gantry.root, path));
      return found.isFile() ? found.size : undefined;
    }),
  );
  const { code, stdout, stderr } = await command(gantry.root, ["stats", "--json"]);
  assert.equal(code, 0, stderr);
  return { files: paths.map((path, index) => [path, sizes[index]]), stats: JSON.parse(stdout) };
}
