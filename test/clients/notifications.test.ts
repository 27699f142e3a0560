/**
 * Webhooks compared with those of Debian's docker-registry (CNCF distribution 2.8.2): both get the same requests, and their
 * events are compared field by field.
 */
import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { hashSync } from "bcryptjs";
import { Client, locationOf } from "../support/client.js";
import { type Blob, blobOf, describe, dockerImage, image, manifestOf, types } from "../support/content.js";
import { freePort } from "../support/free-port.js";
import { startGantry } from "../support/gantry.js";
import { basic } from "../support/login.js";
import { type WebhookEvent, WebhookReceiver } from "../support/webhooks.js";
import { startDockerRegistry } from "./docker-registry.js";
import { uniqueText, writeMultiPlatformImage } from "./images.js";
import { needs, run, temporaryFolder } from "./support.js";

const skip = needs("docker-registry", "skopeo");

const accept = { Accept: Object.values(types).join(", ") };

/** Pushes like docker. */
async function upload(client: Client, name: string, { bytes, digest }: Blob): Promise<void> {
  const patched = await client.patch(await client.openUpload(name), bytes);
  assert.equal((await client.close(locationOf(patched), digest)).status, 201);
}

const docker = dockerImage();
const oci = image({ layers: 2 });
const platform = { architecture: "arm64", os: "linux" };
const multi = manifestOf({
  schemaVersion: 2,
  mediaType: types.index,
  manifests: [{ ...describe(oci), platform, annotations: { title: "ö" } }],
});

/** Each request known to both registries that may cause an event. The last one does. */
async function askForEverything(client: Client): Promise<void> {
  const expected = async (status: number, answer: Promise<{ status: number }>) =>
    assert.equal((await answer).status, status);
  for (const { blobs, ...manifest } of [docker, oci, multi]) {
    for (const blob of blobs) await upload(client, "team/app", blob);
    for (const reference of ["v1", manifest.digest])
      await expected(201, client.putManifest("team/app", reference, manifest.bytes, manifest.mediaType));
    const etag = { "If-None-Match": `"${manifest.digest}"` };
    for (const [reference, headers, status] of [
      ["v1", accept, 200],
      [manifest.digest, accept, 200],
      ["v1", { ...accept, ...etag }, 304],
    ] as const)
      for (const method of ["GET", "HEAD"])
        await expected(status, client.request(method, `/v2/team/app/manifests/${reference}`, { headers }));
  }
  const [config, layer] = docker.blobs;
  assert.ok(config && layer);
  await upload(client, "team/app", layer);
  for (const [headers, status] of [
    [{}, 200],
    [{ Range: "bytes=1-3" }, 206],
    [{ "If-None-Match": `"${layer.digest}"` }, 304],
  ] as const)
    for (const method of status === 206 ? ["GET"] : ["GET", "HEAD"])
      await expected(status, client.request(method, `/v2/team/app/blobs/${layer.digest}`, { headers }));
  await expected(404, client.head(`/v2/team/app/blobs/${blobOf(5).digest}`));
  const mount = `/v2/team/copy/blobs/uploads/?mount=${layer.digest}&from=team/app`;
  await expected(201, client.request("POST", mount, { body: "" }));
  await expected(202, client.delete(`/v2/team/copy/blobs/${layer.digest}`));
  await expected(404, client.delete(`/v2/team/copy/blobs/${blobOf(5).digest}`));
  await expected(202, client.delete(`/v2/team/app/manifests/${docker.digest}`));
  await expected(202, client.delete(`/v2/team/app/manifests/${multi.digest}`));
  await upload(client, "team/last", config);
}

/** Removes the parts that differ between runs, after checking their form. */
function comparable(events: readonly WebhookEvent[], host: string): WebhookEvent[] {
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  assert.equal(new Set(events.map(({ source }) => source.instanceID)).size, 1);
  return events.map((event) => {
    const { id, timestamp, request, source, target } = event;
    for (const unique of [id, source.instanceID]) assert.match(unique, /^[0-9a-f-]{36}$/);
    assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000, timestamp);
    assert.match(request.id, /./);
    assert.match(request.addr, /^127\.0\.0\.1(?::\d+)?$/, "which may have a port or not");
    assert.equal(request.host, host);
    assert.equal(source.addr, `${hostname()}:${host.split(":")[1]}`);
    const url = target.url?.replace(`http://${host}/`, "http://HOST/");
    return {
      ...event,
      id: "",
      timestamp: "",
      request: { ...request, id: "", addr: "", host: "" },
      source: { addr: "", instanceID: "" },
      target: {
        ...target,
        ...(url !== undefined && { url }),
        // CNCF distribution reports the platforms in an index from its version 3 on.
        ...(target.references && { references: target.references.map(({ platform, ...rest }) => rest) }),
      },
    };
  });
}

interface Side extends AsyncDisposable {
  readonly host: string;
  readonly receiver: WebhookReceiver;
}

/** Gantry and docker-registry, each with its own receiver and the same settings. */
async function startBoth(folder: string): Promise<readonly [Side, Side]> {
  const users = join(folder, "users");
  await writeFile(users, `alice:${hashSync("secret", 4)}\n`);
  const [ours, theirs] = [await WebhookReceiver.start(), await WebhookReceiver.start()];
  const settings = (receiver: WebhookReceiver) => `auth: {htpasswd: {realm: test, path: ${users}}}
notifications:
  events: {includereferences: true}
  endpoints:
    - {name: test, url: ${receiver.origin}, headers: {X-Test: [a]}, timeout: 5s, threshold: 3, backoff: 1s}
`;
  const registry = await startDockerRegistry(folder, settings(theirs));
  const file = join(folder, "gantry.yml");
  await writeFile(file, settings(ours));
  const gantry = await startGantry({
    REGISTRY_CONFIGURATION_PATH: file,
    REGISTRY_HTTP_ADDR: `127.0.0.1:${await freePort()}`,
    REGISTRY_NOTIFICATIONS_EVENTS_MEDIATYPE: "v1",
  });
  const sideOf = (server: AsyncDisposable & { host: string }, receiver: WebhookReceiver): Side => ({
    host: server.host,
    receiver,
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  });
  return [sideOf(gantry, ours), sideOf(registry, theirs)];
}

test("both report the same requests in the same way", { skip }, async () => {
  await using folder = await temporaryFolder();
  const [mine, other] = await startBoth(folder.path);
  await using _mine = mine;
  await using _other = other;
  const told = [];
  for (const { host, receiver } of [mine, other]) {
    await askForEverything(new Client(`http://${host}`, 1, {}, basic("alice", "secret")));
    await receiver.eventsOf("team/last");
    const { "content-type": contentType, "x-test": header } = receiver.envelopes[0]?.headers ?? {};
    told.push({ contentType, header, events: comparable(receiver.taken, host) });
  }
  assert.equal(told[0]?.events[0]?.actor.name, "alice");
  assert.deepEqual(told[0], told[1]);
});

test("both report a push by skopeo in the same way", { skip }, async () => {
  await using folder = await temporaryFolder();
  const [mine, other] = await startBoth(folder.path);
  await using _mine = mine;
  await using _other = other;
  const layout = join(folder.path, "layout");
  await writeMultiPlatformImage(layout, uniqueText());
  const told = [];
  for (const { host, receiver } of [mine, other]) {
    const target = ["--dest-tls-verify=false", "--dest-creds=alice:secret", `docker://${host}/team/app:v1`];
    await run("skopeo", ["--insecure-policy", "copy", "--all", `oci:${layout}:latest`, ...target]);
    await upload(new Client(`http://${host}`, 1, {}, basic("alice", "secret")), "team/last", blobOf(10));
    await receiver.eventsOf("team/last");
    const events = comparable(receiver.taken, host).filter(({ target }) => target.repository === "team/app");
    // It runs several requests concurrently.
    told.push(events.sort((one, next) => (keyOf(one) < keyOf(next) ? -1 : 1)));
  }
  assert.ok((told[0]?.length ?? 0) >= 1 + 3 * 3);
  assert.deepEqual(told[0], told[1]);
});

function keyOf({ action, target }: WebhookEvent): string {
  return `${action} ${target.digest}`;
}
