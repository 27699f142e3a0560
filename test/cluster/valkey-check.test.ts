// What `gantry config check` says about the server of `redis.addrs`, with the setting to look at.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo, Server } from "node:net";
import { after, test } from "node:test";
import { createServer as createTlsServer } from "node:tls";
import { checkEngine, type EngineCheck } from "../../src/server/check-engine.js";
import type { RedisSettings } from "../../src/server/cluster.js";
import { issueCertificate } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";
import { startRedisServer } from "../support/redis-server.js";

const plain = await startRedisServer();
after(() => plain.stop());
const secured = await startRedisServer("--requirepass", "right", "--databases", "2");
after(() => secured.stop());
const evicting = await startRedisServer("--maxmemory", "50mb", "--maxmemory-policy", "allkeys-lru");
after(() => evicting.stop());

function check(port: number, settings: Partial<RedisSettings> = {}): Promise<EngineCheck[]> {
  return checkEngine({ addrs: [{ host: "127.0.0.1", port }], db: 0, dialtimeout: 2, ...settings });
}

const secret = (text: string) => ({ reveal: () => text }) as NonNullable<RedisSettings["password"]>;
const tls = { rootcas: [], clientcas: [] };

async function listening(server: Server): Promise<number> {
  after(() => server.close());
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

test("a server in memory is fit", async () => {
  const found = await check(plain.port);
  assert.ok(found.length >= 4);
  assert.deepEqual(
    found.filter(({ outcome }) => outcome !== "fine"),
    [],
  );
});

const { pem, keyPem } = await issueCertificate({ name: "engine", addresses: ["127.0.0.1"] });
const http = await listening(createServer());
const withTls = await listening(createTlsServer({ cert: pem, key: keyPem }));

for (const [what, port, settings, said] of [
  ["no password", secured.port, {}, /NOAUTH.*; check redis\.username and redis\.password$/],
  ["a wrong password", secured.port, { password: secret("mine") }, /WRONGPASS.*; check redis\.username/],
  [
    "a database that does not exist",
    secured.port,
    { password: secret("right"), db: 9 },
    /; check redis\.db$/,
  ],
  ["a wrong policy", evicting.port, {}, /maxmemory-policy is allkeys-lru: set noeviction/],
  ["an address where nothing listens", await freePort(), {}, /ECONNREFUSED.*; check redis\.addrs$/],
  ["another kind of server", http, {}, /; check redis\.addrs: another kind of server/],
  ["an unknown authority", withTls, { tls }, /; set redis\.tls\.rootcas/],
  ["TLS that the server does not speak", plain.port, { tls }, /; if it speaks no TLS, remove redis\.tls$/],
  ["a server that demands TLS", withTls, {}, /; if the server demands TLS, set redis\.tls$/],
] as const)
  test(`${what} is reported with what to do`, async () => {
    const failed = (await check(port, settings)).filter(({ outcome }) => outcome === "failed");
    assert.equal(failed.length, 1);
    assert.match(failed[0]?.detail ?? "", said);
    assert.doesNotMatch(failed[0]?.detail ?? "", /mine/);
  });
