// The connections that the memory allows by default, at the measured cost of each kind.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pino } from "pino";
import { readSettings } from "../../src/config/config.js";
import { uwsBuild } from "../../src/http/uws-build.js";
import type { ConnectionLimits } from "../../src/lib/connection-limits.js";
import { openConnectionLimits } from "../../src/server/connections.js";

const mebibyte = 1024 * 1024;
/** For connections, of 512 MiB. */
const forConnections = 256 * mebibyte;
const head = 64 * 1024;
const record = 20 * 1024;

function limitsWith(
  settings: Readonly<Record<string, string>>,
  processes = 1,
  log = pino({ enabled: false }),
): Promise<ConnectionLimits> {
  const variables = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: "/nowhere", ...settings };
  return openConnectionLimits(readSettings({ variables }).config, log, processes);
}

async function totalWith(settings: Readonly<Record<string, string>>): Promise<number> {
  return (await limitsWith(settings)).total;
}

test("HTTPS gets fewer connections by default, so that unfinished heads and records on all of them fit", async () => {
  mock.method(process, "constrainedMemory", () => 512 * mebibyte);
  const https = { REGISTRY_HTTP_TLS_CERTIFICATE: "/nowhere/c.pem", REGISTRY_HTTP_TLS_KEY: "/nowhere/k.pem" };
  const heads = uwsBuild().passesConnections ? 1 : 3;
  assert.equal(await totalWith({}), forConnections / head);
  assert.equal(await totalWith(https), Math.floor(forConnections / (heads * head + record)));
  const inThread = { ...https, REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3" };
  assert.equal(await totalWith(inThread), Math.floor(forConnections / (3 * head + record)));
});

test("a client's connections are counted over all processes, but for those of the TLS thread", async () => {
  mock.method(process, "constrainedMemory", () => 512 * mebibyte);
  assert.deepEqual(await limitsWith({}, 2), { total: 1024, perClient: 1024, processes: 2 });
  const inThread = {
    REGISTRY_HTTP_TLS_CERTIFICATE: "/nowhere/c.pem",
    REGISTRY_HTTP_TLS_KEY: "/nowhere/k.pem",
    REGISTRY_HTTP_TLS_MINIMUMTLS: "tls1.3",
  };
  const { total, perClient } = await limitsWith(inThread, 2);
  assert.equal(perClient, Math.floor(total / 2));
});

test("a server that can have only the fewest connections says so, unless a setting decides", async () => {
  mock.method(process, "constrainedMemory", () => 256 * mebibyte);
  const lines: string[] = [];
  const log = pino({ level: "warn" }, { write: (line: string) => lines.push(line) });
  await limitsWith({ REGISTRY_LIMITS_CONNECTIONS_TOTAL: "16" }, 1, log);
  assert.deepEqual(lines, []);
  assert.equal((await limitsWith({}, 1, log)).total, 16);
  assert.equal(lines.length, 1);
  assert.match(lines[0] ?? "", /too little memory.*lower http\.processes/);
});
