// The disk fails during the request that closes an upload. The upload is then as the last acknowledged request left it: the
// same request can be repeated, another one can go on, and only lost or linked bytes end it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { assertError, type Client } from "../support/client.js";
import { type Blob, blobOf, image, newName } from "../support/content.js";
import { clientOf } from "../support/server-processes.js";
import type { Fault } from "./inject.js";
import { FaultyServer } from "./support.js";

const server = await FaultyServer.start();
const { client } = server;

interface Begun {
  readonly name: string;
  readonly location: string;
  readonly id: string;
  readonly blob: Blob;
  readonly acknowledged: number;
}

/** Opens an upload with `acknowledged` bytes, of which the last `tail` bytes of the blob are missing. */
async function begin(acknowledged: number, tail: number, by: Client = client): Promise<Begun> {
  const name = newName();
  // Its folder exists: then a worker places the blob.
  await by.pushImage(name, image(), "latest");
  const blob = blobOf(acknowledged + tail);
  const location = await by.openUpload(name);
  const id = location.split("/").at(-1)?.split("?")[0] ?? "";
  assert.equal((await by.patch(location, blob.bytes.subarray(0, acknowledged))).status, 202);
  return { name, location, id, blob, acknowledged };
}

function close({ location, blob, acknowledged }: Begun, by: Client = client) {
  const last = `${acknowledged}-${blob.bytes.length - 1}`;
  const headers = acknowledged < blob.bytes.length ? { "Content-Range": last } : {};
  return by.close(location, blob.digest, blob.bytes.subarray(acknowledged), headers);
}

async function isWhole({ name, blob }: Begun): Promise<void> {
  assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
}

const full = (call: "write" | "link", path: string): Fault => ({ call, code: "ENOSPC", path });

/** The failing call, and whether the request needs bytes for it. */
const faults: readonly (readonly [what: string, fault: (begun: Begun) => Fault, needsTail?: true])[] = [
  ["a full disk", ({ id }) => full("write", `uploads/${id}`), true],
  ["a full disk at the link to the content", ({ id }) => full("link", `uploads/${id}.*content/`)],
  ["a full disk at the link into the repository", ({ blob }) => full("link", `/${blob.digest}`)],
];

/** In the journal, sealed and placed in one step, sealed before. */
const sizes = [
  { acknowledged: 100_000, tail: 1_000 },
  { acknowledged: 600_000, tail: 1_000 },
  { acknowledged: 600_000, tail: 0 },
  { acknowledged: 5_000_000, tail: 3_000_000 },
  { acknowledged: 5_000_000, tail: 0 },
];

for (const [what, fault, needsTail] of faults)
  for (const { acknowledged, tail } of sizes) {
    if (needsTail && tail === 0) continue;
    test(`${what}: the closing request with ${tail} bytes after ${acknowledged} can be repeated`, async () => {
      const begun = await begin(acknowledged, tail);
      for (let time = 0; time < 2; time++) {
        await server.during(fault(begun), async () => assertError(await close(begun), 507, "UNKNOWN"));
        const state = await client.get(begun.location);
        assert.deepEqual([state.status, state.headers.range], [204, `0-${acknowledged - 1}`]);
        assert.equal((await client.head(`/v2/${begun.name}/blobs/${begun.blob.digest}`)).status, 404);
      }
      assert.equal((await close(begun)).status, 201);
      await isWhole(begun);
      await server.isIntact();
    });
  }

test("after a closing request that failed, a PATCH goes on, and a wrong digest ends the upload", async () => {
  const begun = await begin(5_000_000, 3_000_000);
  const { location, blob, acknowledged } = begun;
  const fault = full("link", `/${blob.digest}`);
  await server.during(fault, async () => assertError(await close(begun), 507, "UNKNOWN"));
  assert.equal((await client.patch(location, blob.bytes.subarray(acknowledged))).status, 202);
  await server.during(fault, async () =>
    assertError(await client.close(location, blob.digest), 507, "UNKNOWN"),
  );
  assertError(await client.close(location, blobOf(10).digest), 400, "DIGEST_INVALID");
  assertError(await client.close(location, blob.digest), 404, "BLOB_UPLOAD_UNKNOWN");
  await server.isIntact();
});

test("an upload whose only request failed has no bytes again, and can be repeated or canceled", async () => {
  const blob = blobOf(600_000);
  for (const end of ["close", "cancel"]) {
    const name = newName();
    const location = await client.openUpload(name);
    await server.during(full("link", `/${blob.digest}`), async () =>
      assertError(await client.close(location, blob.digest, blob.bytes), 507, "UNKNOWN"),
    );
    if (end === "close") assert.equal((await client.close(location, blob.digest, blob.bytes)).status, 201);
    else assert.equal((await client.delete(location)).status, 204);
    await server.isIntact();
  }
});

test("an upload that lost bytes ends, and no repetition acknowledges it", async () => {
  const begun = await begin(3_000_000, 1_000);
  const fault = { call: "fdatasync", code: "EIO", path: `uploads/${begun.id}` } as const;
  await server.during(fault, async () => assertError(await close(begun), 500, "UNKNOWN"));
  assertError(await close(begun), 404, "BLOB_UPLOAD_UNKNOWN");
  await server.isIntact();
});

for (const [what, faultOf] of [
  ["its folder cannot be synced", ({ name }) => ({ call: "fsync", code: "EIO", path: `blobs/${name}` })],
  [
    "its record cannot be removed",
    ({ id }) => ({ call: "unlink", code: "EIO", path: `uploads/${id}`, once: true }),
  ],
] as const satisfies readonly [string, (begun: Begun) => Fault][])
  test(`an upload that is a blob although ${what} ends, and the blob keeps its bytes`, async () => {
    const begun = await begin(3_000_000, 1_000);
    await server.during(faultOf(begun), async () => assertError(await close(begun), 500, "UNKNOWN"));
    assertError(await close(begun), 404, "BLOB_UPLOAD_UNKNOWN");
    await isWhole(begun);
    await server.isIntact();
  });

test("an upload whose closing request failed at another process can be repeated at any", async () => {
  const several = await FaultyServer.start({
    REGISTRY_HTTP_PROCESSES: "2",
    REGISTRY_LOG_FORMATTER: "json",
  });
  const [one, two] = [await clientOf(several.gantry, 1), await clientOf(several.gantry, 2)];
  for (const acknowledged of [100_000, 3_000_000])
    for (const again of [one, two]) {
      const begun = await begin(acknowledged, 0, one);
      const fault = full("link", `/${begun.blob.digest}`);
      await several.during(fault, async () => {
        const { status } = await close(begun, two);
        // What another process says of its failure is not known.
        assert.ok(status === 507 || status === 503, String(status));
      });
      assert.equal((await close(begun, again)).status, 201);
      const pulled = await one.get(`/v2/${begun.name}/blobs/${begun.blob.digest}`);
      assert.ok(pulled.body.equals(begun.blob.bytes));
    }
  await several.isIntact();
});

test("bytes that another process lost end the upload there, too", async () => {
  const several = await FaultyServer.start({
    REGISTRY_HTTP_PROCESSES: "2",
    REGISTRY_LOG_FORMATTER: "json",
  });
  const [one, two] = [await clientOf(several.gantry, 1), await clientOf(several.gantry, 2)];
  const begun = await begin(3_000_000, 0, one);
  const fault = { call: "fdatasync", code: "EIO", path: `uploads/${begun.id}` } as const;
  await several.during(fault, async () => assert.ok((await close(begun, two)).status >= 500));
  assertError(await close(begun, two), 404, "BLOB_UPLOAD_UNKNOWN");
  await several.isIntact();
});
