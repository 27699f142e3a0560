// What a start says about a store that cannot be used: the store's own words, and which setting to look at.

import assert from "node:assert/strict";
import { createServer, type RequestListener } from "node:http";
import { createServer as createSecureServer } from "node:https";
import type { AddressInfo, Server } from "node:net";
import { test } from "node:test";
import { S3Client } from "../../src/storage/s3/client.js";
import { prepareStore } from "../../src/storage/s3/prepare.js";
import { probeStore } from "../../src/storage/s3/probe.js";
import { S3Requests } from "../../src/storage/s3/requests.js";
import { issueCertificate } from "../support/certificates.js";
import { freePort } from "../support/free-port.js";

const answers =
  (status: number, code: string): RequestListener =>
  (_, response) =>
    response.writeHead(status).end(code && `<Error><Code>${code}</Code><Message>Why.</Message></Error>`);
const plain = (listener: RequestListener) => async () => createServer(listener);
const secure = async () => {
  const { pem, keyPem } = await issueCertificate({ name: "store" });
  return createSecureServer({ cert: pem, key: keyPem }, answers(200, ""));
};
const silent = plain(() => {});

function clientOf(endpoint: string, credentials = true): S3Client {
  const place = { endpoint, region: "us-east-1", bucket: "bucket", forcePathStyle: true };
  return new S3Client(
    new S3Requests(
      { ...place, skipVerify: false, prefix: "", objectHeaders: {} },
      { connections: 16, attemptSeconds: 1, requestSeconds: 1 },
      async () => {
        if (!credentials) throw new Error("nothing found");
        return { accessKeyId: "key", secretAccessKey: "secret" };
      },
    ),
  );
}

async function listening(server: Server): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

for (const [what, open, scheme, said] of [
  ["a wrong secret", plain(answers(403, "SignatureDoesNotMatch")), "http", "; check storage.s3.secretkey"],
  ["a wrong key", plain(answers(403, "InvalidAccessKeyId")), "http", "; check storage.s3.accesskey"],
  ["a forbidden bucket", plain(answers(403, "AccessDenied")), "http", "; grant the permissions"],
  ["a forbidden bucket, without a code", plain(answers(403, "")), "http", "403; grant the permissions"],
  [
    "no bucket",
    plain(answers(404, "NoSuchBucket")),
    "http",
    "; create the bucket, or check storage.s3.bucket",
  ],
  ["another region", plain(answers(301, "PermanentRedirect")), "http", "; set storage.s3.region to"],
  ["a wrong clock", plain(answers(403, "RequestTimeTooSkewed")), "http", "; set the clock of this machine"],
  ["a full store", plain(answers(507, "Other")), "http", "; free space"],
  ["another server", plain(answers(404, "")), "http", "404; check storage.s3.regionendpoint: this is not"],
  ["HTTP instead of HTTPS", silent, "https", "wrong version number; if the store speaks HTTP, begin"],
  ["HTTPS instead of HTTP", secure, "http", "; if the store speaks HTTPS, begin"],
  ["an unknown authority", secure, "https", "NODE_EXTRA_CA_CERTS"],
  ["a store that hangs", silent, "http", "did not answer within 1 s (GET); check storage.s3.regionendpoint"],
  ["an unknown failure", plain(answers(400, "Strange")), "http", "400: Strange: Why"],
] as const)
  test(`a store with ${what} is refused, with what to do`, async () => {
    const server = await open();
    const client = clientOf(`${scheme}://127.0.0.1:${await listening(server)}`);
    try {
      const { results } = await probeStore(client, "full");
      assert.deepEqual(
        results.map(({ outcome }) => outcome),
        ["failed"],
      );
      const detail = results[0]?.detail ?? "";
      assert.ok(detail.includes(said), detail);
      assert.ok(!detail.includes("\n"), detail);
    } finally {
      await client.close();
      server.closeAllConnections();
      server.close();
    }
  });

for (const [what, endpoint, credentials, said] of [
  ["an address where nothing listens", `http://127.0.0.1:${await freePort()}`, true, "ECONNREFUSED"],
  ["a name that does not exist", "http://store.invalid", true, "store.invalid"],
  ["no credentials", "http://127.0.0.1:1", false, "nothing found; set storage.s3.accesskey"],
] as const)
  test(`${what} ends a start, with what to do`, async () => {
    const client = clientOf(endpoint, credentials);
    const ignored = () => {};
    const options = { create: true, onLost: ignored, onWaiting: ignored, onError: ignored };
    const told = await prepareStore(client, options).catch((error: Error) => error.message);
    assert.ok(String(told).startsWith(`the bucket bucket of ${endpoint} cannot be used as a store: `));
    assert.ok(String(told).includes(said), String(told));
    assert.match(String(told), /; (check|set) storage\.s3\./);
    await client.close();
  });

test("a start that waits for its store says why, once", async () => {
  const endpoint = `http://127.0.0.1:${await freePort()}`;
  const client = clientOf(endpoint);
  Object.assign(client.requests, { limits: { ...client.requests.limits, requestSeconds: 9 } });
  const told: string[] = [];
  const ignored = () => {};
  const onWaiting = (why: string) => void told.push(why);
  await assert.rejects(
    prepareStore(client, { create: true, onLost: ignored, onWaiting, onError: ignored }),
    /cannot be used as a store/,
  );
  assert.equal(told.length, 1);
  assert.match(told[0] ?? "", /^waiting for the bucket bucket of http:.*: .*ECONNREFUSED.*; check storage/);
  await client.close();
});
