// The connections that the memory allows by default, at the measured cost of each kind.

import assert from "node:assert/strict";
import { mock, test } from "node:test";
import { pino } from "pino";
import { readSettings } from "../../src/config/config.js";
import { uwsBuild } from "../../src/http/uws-build.js";
import { openConnectionLimits } from "../../src/server/connections.js";

const mebibyte = 1024 * 1024;
/** For connections, of 512 MiB. */
const forConnections = 256 * mebibyte;
const head = 64 * 1024;
const record = 20 * 1024;

async function totalWith(settings: Readonly<Record<string, string>>): Promise<number> {
  const variables = { REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: "/nowhere", ...settings };
  return (await openConnectionLimits(readSettings({ variables }).config, pino({ enabled: false }))).total;
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
