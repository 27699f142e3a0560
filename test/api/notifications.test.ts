// Webhooks: events of pushes, pulls, mounts and deletions, field by field, and what causes none.

import assert from "node:assert/strict";
import { get } from "node:http";
import { hostname } from "node:os";
import { test } from "node:test";
import { exampleOf } from "../documents/page.js";
import { type Answer, Client, locationOf, serve } from "../support/client.js";
import { blobOf, describe, dockerImage, image, index, newName, types } from "../support/content.js";
import { startInside } from "../support/inside.js";
import { basic, LoginFiles, newRobot } from "../support/login.js";
import { type WebhookEvent, WebhookReceiver, webhooksTo } from "../support/webhooks.js";

const octets = "application/octet-stream";

const [all, images, pushes, older, off] = await Promise.all(
  Array.from({ length: 5 }, () => WebhookReceiver.start()),
);
assert.ok(all && images && pushes && older && off);
const { gantry, client } = await serve(
  webhooksTo(
    {
      name: "all",
      url: `${all.origin}/hook?of=gantry`,
      headers: { Authorization: ["Bearer abc"], "X-Two": ["a", "b"] },
    },
    { name: "images", url: images.origin, ignore: { mediatypes: [octets] } },
    { name: "pushes", url: pushes.origin, ignore: { actions: ["pull", "mount", "delete"] } },
    { name: "older", url: older.origin, ignoredmediatypes: [types.manifest] },
    { name: "off", url: off.origin, disabled: true },
  ),
);

/** Returns the events about `repository` so far: they arrive in order, so none is missing before a new one. */
async function toldOf(receiver: WebhookReceiver, repository: string): Promise<WebhookEvent[]> {
  const name = newName("last");
  await client.pushImage(name, dockerImage(), "latest");
  const isTag = ({ target }: WebhookEvent) => target.tag === "latest";
  for (let count = 1; !(await receiver.eventsOf(name, count)).some(isTag); count++);
  return receiver.eventsOf(repository, 0);
}

/** Action, method of the request, and the distinctive part of the target. */
function brief({ action, request, target }: WebhookEvent): unknown[] {
  return [action, request.method, target.digest, target.tag].filter((part) => part !== undefined);
}

test("a push by docker causes an event with all of CNCF distribution's fields", async () => {
  const name = `team/${newName()}`;
  const picture = dockerImage();
  const headers = { "User-Agent": "docker/27.0", "X-Request-ID": "push-1" };
  const request = (method: string, path: string, body?: Uint8Array, more = {}): Promise<Answer> =>
    client.request(method, path, {
      headers: { ...headers, ...more },
      ...(body === undefined ? {} : { body }),
    });
  for (const { bytes, digest } of picture.blobs) {
    assert.equal((await request("HEAD", `/v2/${name}/blobs/${digest}`)).status, 404);
    const opened = await request("POST", `/v2/${name}/blobs/uploads/`, Buffer.alloc(0));
    const patched = await request("PATCH", locationOf(opened), bytes);
    const closed = await request("PUT", `${locationOf(patched)}?digest=${digest}`, Buffer.alloc(0));
    assert.equal(closed.status, 201);
  }
  const put = await request("PUT", `/v2/${name}/manifests/v1`, picture.bytes, {
    "Content-Type": picture.mediaType,
  });
  assert.equal(put.status, 201);
  const events = await toldOf(all, name);
  const url = `${gantry.url}/v2/${name}`;
  const common = {
    action: "push",
    request: { id: "push-1", addr: "127.0.0.1", host: gantry.host, method: "PUT", useragent: "docker/27.0" },
    actor: {},
    source: { addr: `${hostname()}:0`, instanceID: events[0]?.source.instanceID },
  };
  const sized = ({ digest, bytes }: { digest: string; bytes: Buffer }) => ({
    digest,
    size: bytes.length,
    length: bytes.length,
    repository: name,
  });
  assert.deepEqual(
    events.map(({ id, timestamp, ...rest }) => rest),
    [
      ...picture.blobs.map((blob) => ({
        ...common,
        target: { mediaType: octets, ...sized(blob), url: `${url}/blobs/${blob.digest}` },
      })),
      {
        ...common,
        target: {
          mediaType: types.dockerManifest,
          ...sized(picture),
          url: `${url}/manifests/${picture.digest}`,
          tag: "v1",
        },
      },
    ],
  );
  assert.match(events[0]?.source.instanceID ?? "", /^[0-9a-f-]{36}$/);
  assert.equal(new Set(events.map(({ id }) => id)).size, events.length);
  for (const { id, timestamp } of events) {
    assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    assert.ok(Math.abs(Date.now() - Date.parse(timestamp)) < 60_000);
  }
});

test("an envelope has its media type and the configured headers", async () => {
  const name = newName();
  await client.pushBlobs(name, blobOf(10));
  await all.eventsOf(name);
  const { path, headers } = all.envelopes.at(-1) ?? {};
  assert.equal(path, "/hook?of=gantry");
  assert.equal(headers?.["content-type"], "application/vnd.docker.distribution.events.v2+json");
  assert.equal(headers?.authorization, "Bearer abc");
  assert.equal(headers?.["x-two"], "a, b");
});

test("every kind of push causes one event, also for existing content", async () => {
  const name = newName();
  const blob = blobOf(1000);
  await client.pushBlobs(name, blob, blob);
  const patched = await client.patch(await client.openUpload(name), blob.bytes.subarray(0, 400));
  await client.close(locationOf(patched), blob.digest, blob.bytes.subarray(400));
  const picture = image();
  await client.pushImage(name, picture);
  await client.putManifest(name, `${picture.digest}?tag=a&tag=b`, picture.bytes, picture.mediaType);
  const events = await toldOf(all, name);
  assert.deepEqual(events.map(brief), [
    ["push", "POST", blob.digest],
    ["push", "POST", blob.digest],
    ["push", "PUT", blob.digest],
    ...picture.blobs.map(({ digest }) => ["push", "POST", digest]),
    ["push", "PUT", picture.digest],
    ["push", "PUT", picture.digest, "a"],
    ["push", "PUT", picture.digest, "b"],
  ]);
  for (const { target } of events.slice(0, 3)) assert.equal(target.size, 1000);
});

test("a client's choice of user agent and host cannot distort the events", async () => {
  const name = newName();
  const blob = blobOf(10);
  const headers = { "User-Agent": '"},{"action":"delete"\\', Host: "it's,a=(strange).example" };
  const path = `/v2/${name}/blobs/uploads/?digest=${blob.digest}`;
  assert.equal((await client.request("POST", path, { headers, body: blob.bytes })).status, 201);
  const [{ request, target } = assert.fail("no event")] = await toldOf(all, name);
  assert.equal(request.useragent, headers["User-Agent"]);
  assert.equal(request.host, headers.Host);
  assert.equal(target.url, `http://${headers.Host}/v2/${name}/blobs/${blob.digest}`);
});

test("failed requests cause no event", async () => {
  const name = newName();
  const blob = blobOf(10);
  const lie = await client.request("POST", `/v2/${name}/blobs/uploads/?digest=${blobOf(10).digest}`, {
    body: blob.bytes,
  });
  assert.equal(lie.status, 400);
  const orphan = image();
  assert.equal((await client.putManifest(name, "v1", orphan.bytes, orphan.mediaType)).status, 400);
  for (const path of [`manifests/v1`, `blobs/${blob.digest}`]) {
    for (const method of ["GET", "HEAD", "DELETE"])
      assert.equal((await client.request(method, `/v2/${name}/${path}`)).status, 404);
  }
  const mount = `/v2/${name}/blobs/uploads/?mount=${blob.digest}&from=${newName()}`;
  assert.equal((await client.request("POST", mount, { body: "" })).status, 202);
  assert.deepEqual(await toldOf(all, name), []);
});

const picture = image();
const large = blobOf(300_000);
const pulled = newName("pulled");
await client.pushImage(pulled, picture, "v1");
await client.pushBlobs(pulled, large);
const etag = (digest: string) => ({ "If-None-Match": `"${digest}"` });

for (const [what, method, path, headers, status, told] of [
  ["a manifest by its tag", "GET", "manifests/v1", {}, 200, [picture.digest, "v1"]],
  ["a manifest by its digest", "GET", `manifests/${picture.digest}`, {}, 200, [picture.digest]],
  ["a manifest's head", "HEAD", "manifests/v1", {}, 200, [picture.digest, "v1"]],
  ["a manifest that the client already has", "GET", "manifests/v1", etag(picture.digest), 304, undefined],
  ["a blob", "GET", `blobs/${large.digest}`, {}, 200, [large.digest]],
  ["a blob's head", "HEAD", `blobs/${large.digest}`, {}, 200, [large.digest]],
  ["a part of a blob", "GET", `blobs/${large.digest}`, { Range: "bytes=5-9" }, 206, [large.digest]],
  [
    "a blob that the client already has",
    "GET",
    `blobs/${large.digest}`,
    etag(large.digest),
    304,
    [large.digest],
  ],
  [
    "the headers of a blob that it already has",
    "HEAD",
    `blobs/${large.digest}`,
    etag(large.digest),
    304,
    [large.digest],
  ],
  ["a range beyond the end", "GET", `blobs/${large.digest}`, { Range: "bytes=300000-" }, 416, undefined],
] as const)
  test(`${what} (${status}) is ${told === undefined ? "no pull" : "a pull"}, as in CNCF distribution`, async () => {
    const before = (await toldOf(all, pulled)).length;
    assert.equal((await client.request(method, `/v2/${pulled}/${path}`, { headers })).status, status);
    const events = (await toldOf(all, pulled)).slice(before);
    assert.deepEqual(events.map(brief), told === undefined ? [] : [["pull", method, ...told]]);
    const content = path.startsWith("blobs") ? large : picture;
    for (const { target } of events) assert.equal(target.size, content.bytes.length, "of the whole");
  });

test("a blob whose client disconnects during the download is not pulled", async () => {
  const name = newName();
  const huge = blobOf(32 * 1024 * 1024);
  await client.pushBlobs(name, huge);
  const before = (await toldOf(all, name)).length;
  await new Promise<void>((resolve) => {
    const request = get(`${gantry.url}/v2/${name}/blobs/${huge.digest}`, (answer) => {
      answer.once("data", () => answer.destroy());
    });
    request.once("close", resolve);
    request.once("error", () => {});
  });
  // The server has noticed the end of that connection before it responds here, and will not report the pull.
  assert.deepEqual((await toldOf(all, name)).slice(before), []);
});

test("a mount names its source, an anonymous one does not", async () => {
  const [from, to, anywhere] = [newName(), newName(), newName()];
  const blob = blobOf(123);
  await client.pushBlobs(from, blob);
  for (const query of [
    `${to}/blobs/uploads/?mount=${blob.digest}&from=${from}`,
    `${anywhere}/blobs/uploads/?mount=${blob.digest}`,
  ])
    assert.equal((await client.request("POST", `/v2/${query}`, { body: "" })).status, 201);
  const target = { mediaType: octets, digest: blob.digest, size: 123, length: 123 };
  const url = (name: string) => `${gantry.url}/v2/${name}/blobs/${blob.digest}`;
  const [first] = await all.eventsOf(to);
  assert.equal(first?.action, "mount");
  assert.equal(first.request.method, "POST");
  assert.deepEqual(first.target, { ...target, repository: to, fromRepository: from, url: url(to) });
  const [second] = await all.eventsOf(anywhere);
  assert.deepEqual(second?.target, { ...target, repository: anywhere, url: url(anywhere) });
});

test("deletions name the digest or the tag, and a manifest's deletion includes its tags", async () => {
  const name = newName();
  const picture = image();
  await client.pushImage(name, picture, "a");
  for (const tag of ["b", "c"]) await client.putManifest(name, tag, picture.bytes, picture.mediaType);
  const before = (await toldOf(all, name)).length;
  const blob = picture.blobs[1]?.digest ?? "";
  for (const path of ["manifests/a", `manifests/${picture.digest}`, `blobs/${blob}`])
    assert.equal((await client.delete(`/v2/${name}/${path}`)).status, 202);
  const events = (await toldOf(all, name)).slice(before);
  assert.deepEqual(
    events.map(({ action, target }) => [action, target]),
    [{ tag: "a" }, { digest: picture.digest }, { tag: "b" }, { tag: "c" }, { digest: blob }].map((target) => [
      "delete",
      { ...target, repository: name },
    ]),
  );
});

test("an endpoint does not get the media types and actions that it ignores, and a disabled one gets nothing", async () => {
  const name = newName();
  const [oci, docker] = [image(), dockerImage()];
  await client.pushImage(name, oci, "oci");
  await client.pushImage(name, docker, "docker");
  await client.get(`/v2/${name}/manifests/oci`);
  await client.delete(`/v2/${name}/manifests/oci`);
  const seen = async (receiver: WebhookReceiver) =>
    (await toldOf(receiver, name)).map(({ action, target }) => `${action} ${target.tag ?? "blob"}`);
  const blobs = ["push blob", "push blob"];
  assert.deepEqual(await seen(images), ["push oci", "push docker", "pull oci", "delete oci"]);
  assert.deepEqual(await seen(pushes), [...blobs, "push oci", ...blobs, "push docker"]);
  assert.deepEqual(await seen(older), [...blobs, ...blobs, "push docker", "delete oci"]);
  assert.deepEqual(off.envelopes, []);
});

test("the example in the operating guide sends the described event, with its header", async () => {
  const receiver = await WebhookReceiver.start();
  const example = await exampleOf("docs/operating.md", "Webhooks", "notifications:");
  const files = await LoginFiles.make();
  const text = example.replace("https://scanner.example.com", receiver.origin);
  await using server = await startInside({
    REGISTRY_CONFIGURATION_PATH: await files.write("config.yml", text),
  });
  const other = new Client(server.url);
  const name = newName();
  await other.pushImage(name, image(), "v1");
  await other.get(`/v2/${name}/manifests/v1`);
  await other.delete(`/v2/${name}/manifests/v1`);
  const events = await receiver.eventsOf(name, 2);
  assert.deepEqual(
    events.map(({ action, target }) => [action, target.tag]),
    [
      ["push", "v1"],
      ["delete", "v1"],
    ],
  );
  const [{ path, headers } = assert.fail("no envelope")] = receiver.envelopes;
  assert.deepEqual([path, headers.authorization], ["/events", "Bearer abc"]);
});

test("events of manifests list their descriptors if configured, with the configured media type", async () => {
  const receiver = await WebhookReceiver.start();
  await using server = await startInside({
    ...webhooksTo({ name: "one", url: receiver.origin }),
    REGISTRY_NOTIFICATIONS_EVENTS_INCLUDEREFERENCES: "true",
    REGISTRY_NOTIFICATIONS_EVENTS_MEDIATYPE: "v1",
  });
  const other = new Client(server.url);
  const name = newName();
  const config = blobOf("{}");
  const annotated = {
    mediaType: types.config,
    digest: config.digest,
    size: 2,
    annotations: { title: "ö" },
  };
  const picture = image({ config: { ...annotated, data: "e30=" } });
  await other.pushBlobs(name, config);
  await other.pushImage(name, picture, "one");
  const platform = { architecture: "arm64", os: "linux" };
  const multi = index([], { manifests: [{ ...describe(picture), platform }] });
  await other.pushImage(name, multi, "multi");
  await other.get(`/v2/${name}/manifests/multi`);
  const { layers } = JSON.parse(picture.bytes.toString()) as { layers: object[] };
  const events = (await receiver.eventsOf(name, 6)).filter(({ target }) => target.tag !== undefined);
  assert.deepEqual(
    events.map(({ action, target }) => [action, target.references]),
    [
      ["push", [annotated, ...layers]],
      ["push", [{ ...describe(picture), platform }]],
      ["pull", [{ ...describe(picture), platform }]],
    ],
  );
  const { "content-type": contentType } = receiver.envelopes[0]?.headers ?? {};
  assert.equal(contentType, "application/vnd.docker.distribution.events.v1+json");
});

test("the actor is the logged-in user, the address the client's, and the URL has the proxy's name", async () => {
  const receiver = await WebhookReceiver.start();
  const files = await LoginFiles.make();
  await files.users({ alice: "correct horse" });
  await files.policy(
    'rules: [{repositories: "**", users: alice, allow: admin}, {repositories: "**", anonymous: true, allow: pull}]',
  );
  await using server = await startInside({
    ...files.settings,
    ...webhooksTo({ name: "one", url: receiver.origin }),
    REGISTRY_HTTP_HOST: "https://registry.example.com",
    REGISTRY_HTTP_TRUSTEDPROXIES: "[127.0.0.1]",
  });
  const other = new Client(server.url);
  const name = newName();
  const blob = blobOf(10);
  const pushAs = (headers: Readonly<Record<string, string>>) =>
    other.request("POST", `/v2/${name}/blobs/uploads/?digest=${blob.digest}`, { body: blob.bytes, headers });
  const robot = await newRobot(server.root, "ci", "--scope", `${name}:push`);
  const forwarded = { "X-Forwarded-For": "198.51.100.9", "X-Forwarded-Host": "inside" };
  for (const login of [basic("alice", "correct horse"), basic(robot.user, robot.key)])
    assert.equal((await pushAs({ ...login, ...forwarded })).status, 201);
  assert.equal((await pushAs(basic("alice", "wrong"))).status, 401);
  assert.equal((await other.get(`/v2/${name}/blobs/${blob.digest}`)).status, 200);
  const events = await receiver.eventsOf(name, 3);
  assert.deepEqual(
    events.map(({ action, actor }) => [action, actor]),
    [
      ["push", { name: "alice" }],
      ["push", { name: "robot-ci" }],
      ["pull", {}],
    ],
  );
  const [first] = events;
  assert.equal(first?.request.addr, "198.51.100.9");
  assert.equal(first.request.host, "inside");
  assert.equal(first.target.url, `https://registry.example.com/v2/${name}/blobs/${blob.digest}`);
});
