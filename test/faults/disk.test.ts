// A failing disk: the affected request gets an error, all others are served, and lent resources are returned.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";
import { assertError } from "../support/client.js";
import { type Blob, blobOf, image, newName } from "../support/content.js";
import type { Fault } from "./inject.js";
import { FaultyServer, slabsMebibytes } from "./support.js";

const server = await FaultyServer.start({ REGISTRY_UPLOADS_TASKTIMEOUT: "3s" });
const { client } = server;

/** The fault, and the response to a push by session during it. */
type FaultCase = readonly [what: string, fault: (id: string, digest: string) => Fault, status: number];

const faults: readonly FaultCase[] = [
  ["a failing write", (id) => ({ call: "write", code: "EIO", path: `uploads/${id}` }), 500],
  ["a full disk", (id) => ({ call: "write", code: "ENOSPC", path: `uploads/${id}` }), 507],
  ["no more open files", (id) => ({ call: "open", code: "EMFILE", path: `uploads/${id}` }), 500],
  ["a failing link to the content", (id) => ({ call: "link", code: "EIO", path: `uploads/${id}` }), 500],
  [
    "a failing link into the repository",
    (_, digest) => ({ call: "link", code: "EIO", path: `/${digest}` }),
    500,
  ],
  ["a full disk at the link", (_, digest) => ({ call: "link", code: "ENOSPC", path: `/${digest}` }), 507],
];

async function pushBySession(name: string, blob: Blob, fault: (id: string, digest: string) => Fault) {
  const location = await client.openUpload(name);
  const id = location.split("/").at(-1)?.split("?")[0] ?? "";
  return server.during(fault(id, blob.digest), async () => {
    const [answer] = await Promise.all([
      client.close(location, blob.digest, blob.bytes),
      // Concurrent pushes, to the same repository, too.
      client.pushImage(name, image(), "meanwhile"),
      client.pushImage(newName(), image(), "meanwhile"),
    ]);
    return answer;
  });
}

const dataSync: FaultCase = [
  "a failing data sync",
  (id) => ({ call: "fdatasync", code: "EIO", path: `uploads/${id}` }),
  500,
];

/** One that the journal has, one that a worker seals and places in one step, and one that is sealed before. */
const sizes = {
  small: { bytes: 5000, cases: faults },
  larger: { bytes: 600_000, cases: [dataSync] },
  large: { bytes: 3_000_000, cases: [...faults, dataSync] },
};

for (const [size, { bytes, cases }] of Object.entries(sizes))
  for (const [what, fault, status] of cases) {
    test(`${what}: the push of a ${size} blob gets ${status}, others continue, and a retry succeeds`, async () => {
      const name = newName();
      const blob = blobOf(bytes);
      for (let time = 0; time < slabsMebibytes / 2; time++) {
        assertError(await pushBySession(name, blob, fault), status, "UNKNOWN");
        assert.equal(
          (await client.head(`/v2/${name}/blobs/${blob.digest}`)).status,
          404,
          "it is not visible",
        );
      }
      await client.pushBlobs(name, blob);
      assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
      await server.isIntact();
    });
  }

test("bytes lost by the disk are reported at the end, although their file was closed meanwhile", async () => {
  const blob = blobOf(10_000_000);
  const [first, last] = [blob.bytes.subarray(0, 9_500_000), blob.bytes.subarray(9_500_000)];
  const location = await client.openUpload(newName());
  const path = `uploads/${location.split("/").at(-1)?.split("?")[0]}`;
  await server.during({ call: "fdatasync", code: "EIO", path, once: true }, async () => {
    assert.equal((await client.patch(location, first)).status, 202);
  });
  await server.during({ call: "write", code: "ENOSPC", path }, async () => {
    assertError(await client.patch(location, last), 507, "UNKNOWN");
  });
  assertError(await client.close(location, blob.digest, last), 500, "UNKNOWN");
  await server.isIntact();
});

for (const [what, fault, status] of [
  ["a failing sync", { call: "fdatasync", code: "EIO", path: "/journal/\\d" }, 500],
  ["a failing write", { call: "write", code: "EIO", path: "/journal/\\d" }, 500],
  ["a full disk", { call: "fdatasync", code: "ENOSPC", path: "/journal/\\d" }, 507],
] as const satisfies readonly [string, Fault, number][])
  test(`${what} of the journal: pushes that it covers get ${status}, nothing of them is visible, and retries succeed`, async () => {
    const name = newName();
    for (let time = 0; time < 3; time++) {
      const blobs = [blobOf(1000), blobOf(1000), blobOf(1000)];
      const made = image();
      await client.pushBlobs(name, ...made.blobs);
      await server.during(fault, async () => {
        const push = async ({ digest, bytes }: Blob) =>
          client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { body: bytes });
        for (const answer of await Promise.all(blobs.map(push))) assertError(answer, status, "UNKNOWN");
        // So many that both segments of a worker fail, and a checkpoint finds pushes that wait for one.
        const others = Array.from({ length: 64 }, () => blobOf(1000));
        for (const answer of await Promise.all(others.map(push))) assertError(answer, status, "UNKNOWN");
        assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), status, "UNKNOWN");
      });
      for (const { digest } of blobs)
        assert.equal((await client.head(`/v2/${name}/blobs/${digest}`)).status, 404);
      assert.equal((await client.head(`/v2/${name}/manifests/${made.digest}`)).status, 404);
      await client.pushBlobs(name, ...blobs);
      for (const { digest, bytes } of blobs)
        assert.ok((await client.get(`/v2/${name}/blobs/${digest}`)).body.equals(bytes));
    }
    await server.isIntact();
  });

test("after a failing directory sync there is no 201 for what it covers", async () => {
  const name = newName();
  const blob = blobOf(600_000);
  await client.pushImage(name, image(), "latest");
  await server.during({ call: "fsync", code: "EIO", path: `blobs/${name}` }, async () => {
    assertError(
      await client.request("POST", `/v2/${name}/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes }),
      500,
      "UNKNOWN",
    );
  });
  await client.pushBlobs(name, blob);
  await server.isIntact();
});

for (const [what, call] of [
  ["written", "fdatasync"],
  ["put into place", "rename"],
] as const) {
  test(`a manifest that cannot be ${what} is not acknowledged, and the tag does not move`, async () => {
    const name = newName();
    const [before, made] = [image(), image()];
    await client.pushImage(name, before, "latest");
    await client.pushBlobs(name, ...made.blobs);
    await server.during({ call, code: "ENOSPC", path: "" }, async () => {
      assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 507, "UNKNOWN");
    });
    assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(before.bytes));
    assert.equal((await client.head(`/v2/${name}/manifests/${made.digest}`)).status, 404);
    await client.pushImage(name, made, "latest");
    await server.isIntact();
  });
}

for (const [what, before] of [
  ["made", undefined],
  ["moved", image()],
] as const) {
  test(`a tag that cannot be ${what} is not acknowledged, and is as before`, async () => {
    const name = newName();
    if (before !== undefined) await client.pushImage(name, before, "latest");
    const made = image();
    await client.pushImage(name, made);
    await server.during({ call: "rename", code: "ENOSPC", path: "uploads/.* .*tags/latest" }, async () => {
      assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 507, "UNKNOWN");
    });
    const found = await client.get(`/v2/${name}/manifests/latest`);
    if (before === undefined) assert.equal(found.status, 404);
    else assert.ok(found.body.equals(before.bytes));
    await client.pushImage(name, made, "latest");
    await server.isIntact();
  });
}

test("a tag whose move fails after its pointer was replaced is reported as on the disk", async () => {
  const name = newName();
  const [before, made] = [image(), image()];
  await client.pushImage(name, before, "latest");
  await client.pushImage(name, made);
  await server.during(
    { call: "rename", code: "EIO", path: "uploads/.* .*tags/latest/manifest$" },
    async () => {
      assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 500, "UNKNOWN");
    },
  );
  const pointer = await readFile(
    `${server.gantry.root}/manifests/${name}/tags/latest/manifest.sha256`,
    "utf8",
  );
  const found = await client.get(`/v2/${name}/manifests/latest`);
  assert.equal(found.headers["docker-content-digest"], pointer);
  await server.isIntact();
});

test("a manifest with the maximum number of links is copied for its tag", async () => {
  const name = newName();
  const made = image();
  const fault = { call: "link", code: "EMLINK", path: `manifests/${name}/.*uploads/` } as const;
  await server.during(fault, () => client.pushImage(name, made, "latest"));
  assert.ok(
    (await readFile(`${server.gantry.root}/manifests/${name}/tags/latest/manifest`)).equals(made.bytes),
  );
  await server.isIntact();
});

test("a worker that crashes while it writes a manifest: no 201, nothing is left over, and a retry succeeds", async () => {
  const name = newName();
  const made = image();
  await client.pushBlobs(name, ...made.blobs);
  await server.during({ call: "fdatasync", code: "EXIT", path: "/journal/\\d", once: true }, async () => {
    assertError(await client.putManifest(name, "latest", made.bytes, made.mediaType), 500, "UNKNOWN");
  });
  assert.equal((await client.head(`/v2/${name}/manifests/${made.digest}`)).status, 404);
  await client.pushImage(name, made, "latest");
  await server.isIntact();
});

test("a content with the maximum number of links is copied, and the push succeeds", async () => {
  const [one, two] = [newName(), newName()];
  const blob = blobOf(5000);
  await client.pushBlobs(one, blob);
  const fault = { call: "link", code: "EMLINK", path: `content/.* .*blobs/${two}` } as const;
  await server.during(fault, () => client.pushBlobs(two, blob));
  for (const name of [one, two])
    assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  await server.isIntact();
});

test("an unreadable blob aborts its own download, and no other", async () => {
  const name = newName();
  const [bad, good] = [blobOf(9_000_000), blobOf(9_000_000)];
  await client.pushBlobs(name, bad, good);
  await server.during({ call: "read", code: "EIO", path: bad.digest }, async () => {
    const [failed, whole] = await Promise.allSettled([
      client.get(`/v2/${name}/blobs/${bad.digest}`),
      client.get(`/v2/${name}/blobs/${good.digest}`),
    ]);
    assert.ok(failed.status === "rejected" || failed.value.status === 500);
    assert.ok(whole.status === "fulfilled" && whole.value.body.equals(good.bytes));
  });
  assert.ok((await client.get(`/v2/${name}/blobs/${bad.digest}`)).body.equals(bad.bytes));
});

test("a worker crash during an upload is not noticed: another worker takes over", async () => {
  const name = newName();
  for (let time = 0; time < 4; time++) {
    const blob = blobOf(3_000_000);
    const fault = (id: string) =>
      ({ call: "write", code: "EXIT", path: `uploads/${id}`, once: true }) as const;
    assert.equal((await pushBySession(name, blob, fault)).status, 201);
    assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  }
  await server.isIntact();
});

test("a worker that hangs during an upload fails that upload; others and later ones continue", async () => {
  const name = newName();
  for (let time = 0; time < 2; time++) {
    const blob = blobOf(3_000_000);
    const fault = (id: string) =>
      ({ call: "write", code: "HANG", path: `uploads/${id}`, once: true }) as const;
    assertError(await pushBySession(name, blob, fault), 500, "UNKNOWN");
    await client.pushBlobs(name, blob);
    assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
    await server.isIntact();
  }
});

test("an upload interrupted by a worker's crash is recovered by another from the disk", async () => {
  const name = newName();
  const [blob, fatal] = [blobOf(2_500_000), blobOf(1_500_000)];
  const locations = await Promise.all(Array.from({ length: 6 }, () => client.openUpload(name)));
  for (const location of locations) {
    assert.equal((await client.patch(location, blob.bytes.subarray(0, 1_000_000))).status, 202);
  }
  await pushBySession(name, fatal, (id) => ({
    call: "write",
    code: "EXIT",
    path: `uploads/${id}`,
    once: true,
  }));
  for (const location of locations) {
    const rest = blob.bytes.subarray(1_000_000);
    assert.equal((await client.close(location, blob.digest, rest)).status, 201);
  }
  assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  await server.isIntact();
});

test("a tag is removed from a full disk, and the log names it if its history has no room", async () => {
  const name = newName();
  await client.pushImage(name, image(), "old");
  const fault: Fault = { call: "fsync", code: "ENOSPC", path: "/\\.history/" };
  const answer = await server.during(fault, () => client.delete(`/v2/${name}/manifests/old`));
  assert.equal(answer.status, 202);
  assert.equal((await client.get(`/v2/${name}/manifests/old`)).status, 404);
  const log = server.gantry.log();
  assert.ok(log.includes(`${name}:old`) && log.includes("a removed tag has lost its history"), log);
  assert.ok(!log.includes("ignored a stray file"), log);
});
