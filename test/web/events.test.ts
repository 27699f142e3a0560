// Live updates: a page is told of what its visitor may see, soon, and of nothing else; however many pages and pushes there are.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client, serve } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { EventReader } from "../support/event-source.js";
import { startInside } from "../support/inside.js";
import { basic, LoginFiles } from "../support/login.js";
import { until } from "../support/until.js";
import { loggedIn, type Visitor } from "../support/visitor.js";

const { gantry, client } = await serve({ REGISTRY_STORAGE_DELETE_ENABLED: "true" });

/** Of a page that is rendered now. */
const fromNow = () => `?at=${Date.now()}`;
const open = (path: string) => EventReader.open(gantry.url, path);

test("a push and a removal are told to the pages of the repository and of all", async () => {
  const name = newName("live/app");
  using own = await open(`/ui/r/${name}/_events`);
  using all = await open("/ui/events");
  assert.equal(own.status, 200);
  assert.equal(own.response.headers["content-type"], "text/event-stream");
  assert.equal(own.response.headers["cache-control"], "no-store");
  await client.pushImage(name, image(), "v1");
  for (const stream of [own, all])
    await stream.saw("the push", ({ changes }) =>
      changes.some((change) => change.kind === "pushed" && change.name === name && change.tag === "v1"),
    );
  assert.equal((await client.delete(`/v2/${name}/manifests/v1`)).status, 202);
  for (const stream of [own, all])
    await stream.saw("the removal", ({ changes }) =>
      changes.some((change) => change.kind === "removed" && change.name === name && change.tag === "v1"),
    );
});

test("a page of one repository is not told of others", async () => {
  const [name, other] = [newName("live"), newName("live")];
  using own = await open(`/ui/r/${name}/_events${fromNow()}`);
  await client.pushImage(other, image(), "v1");
  await client.pushImage(name, image(), "v1");
  await own.saw("the push", ({ changes }) => changes.length === 1);
  assert.ok(own.updates.every(({ changes }) => changes.every((change) => change.name === name)));
});

test("a stream begins with what has changed since its page was rendered", async () => {
  const name = newName("live");
  const page = await client.get("/ui/");
  const at = /data-at="(\d+)"/.exec(page.body.toString())?.[1];
  assert.ok(at !== undefined, "the page says when it was rendered");
  await client.pushImage(name, image(), "v1");
  using stream = await open(`/ui/events?at=${at}`);
  await stream.saw("the push", ({ changes }) => changes.some((change) => change.name === name));
});

test("a page of unknown or old time is told to load again", async () => {
  for (const query of ["", "?at=1", "?at=nonsense"]) {
    using stream = await open(`/ui/events${query}`);
    await stream.saw("an update", ({ hasMore }) => hasMore);
  }
});

test("a thousand pushes cost a page a few events", async () => {
  const name = newName("live");
  const pushed = image();
  await client.pushBlobs(name, ...pushed.blobs);
  using stream = await open(`/ui/r/${name}/_events${fromNow()}`);
  const begun = performance.now();
  await Promise.all(
    Array.from({ length: 1_000 }, (_, n) =>
      client.putManifest(name, `v${n}`, pushed.bytes, pushed.mediaType),
    ),
  );
  const seconds = (performance.now() - begun) / 1000;
  await stream.saw("a change", ({ changes }) => changes.length === 1);
  const before = stream.updates.length;
  await client.putManifest(name, "end", pushed.bytes, pushed.mediaType);
  await until("the last event", async () => stream.updates.length > before);
  assert.ok(stream.updates.length <= 4 + 2 * seconds, `${stream.updates.length} events in ${seconds} s`);
});

test("a client with too many streams gets 429, until it closes one", async () => {
  const streams = await Promise.all(Array.from({ length: 8 }, () => open(`/ui/events${fromNow()}`)));
  assert.deepEqual(
    streams.map(({ status }) => status),
    Array.from({ length: 8 }, () => 200),
  );
  using refused = await open("/ui/events");
  assert.equal(refused.status, 429);
  assert.match(String(refused.response.headers["retry-after"]), /^\d+$/);
  streams[0]?.[Symbol.dispose]();
  await until("a place", async () => {
    using again = await open("/ui/events");
    return again.status === 200;
  });
  for (const stream of streams) stream[Symbol.dispose]();
});

test("the path has no other methods, and no stream under /v2", async () => {
  assert.equal((await client.request("POST", "/ui/events")).status, 405);
  assert.equal((await client.get("/v2/events")).status, 404);
});

test("a stop of the server ends the streams, and does not wait for them", async () => {
  const stopping = await startInside();
  const stream = await EventReader.open(stopping.url, "/ui/events");
  const begun = performance.now();
  const stopped = stopping.stop();
  await stream.sawEnd();
  await stopped;
  assert.ok(performance.now() - begun < 3_000, `${performance.now() - begun} ms`);
});

test("a server without pages has no streams", async () => {
  await using server = await startInside({ REGISTRY_HTTP_UI_ENABLED: "false" });
  using stream = await EventReader.open(server.url, "/ui/events");
  assert.equal(stream.status, 404);
});

test("a visitor is told of what they may pull, and of nothing after their rights end", async () => {
  const files = await LoginFiles.make();
  await files.users({ owner: "1" });
  const owner = '- { repositories: "**", users: owner, allow: admin }';
  const rules = (...more: string[]) => files.policy(`rules:\n  ${[owner, ...more].join("\n  ")}\n`);
  const anyone = (name: string) => `- { repositories: "${name}/**", anonymous: true, allow: pull }`;
  await rules(anyone("open"), anyone("soon-closed"));
  await using server = await startInside({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });
  const pusher = new Client(server.url, undefined, undefined, basic("owner", "1"));
  const pushes = async (...names: readonly string[]) => {
    for (const name of names) await pusher.pushImage(name, image(), "v1");
  };
  using refused = await EventReader.open(server.url, "/ui/r/secret/app/_events");
  assert.ok([302, 303, 401].includes(refused.status), String(refused.status));
  using all = await EventReader.open(server.url, `/ui/events${fromNow()}`);
  using own = await EventReader.open(server.url, `/ui/r/soon-closed/app/_events${fromNow()}`);
  await pushes("secret/app", "soon-closed/app", "open/app");
  const told = (name: string) => () =>
    all.saw(`a push to ${name}`, ({ changes }) => changes.some((change) => change.name === name));
  await told("open/app")();
  await told("soon-closed/app")();
  await rules(anyone("open"));
  await until("the new policy", async () => {
    const { status } = await new Client(server.url).get("/v2/soon-closed/app/tags/list");
    return status === 401;
  });
  const before = [...all.updates].length;
  await pushes("soon-closed/app", "open/other");
  await told("open/other")();
  await own.sawEnd();
  assert.equal(JSON.stringify(all.updates).includes("secret"), false);
  assert.equal(JSON.stringify(all.updates.slice(before)).includes("soon-closed"), false);
});

test("a stream ends with the session, by a log-out or with the user, before a further name is told", async () => {
  const files = await LoginFiles.make();
  const users = { owner: "1", ann: "2", bob: "3" };
  await files.users(users);
  await files.policy('rules: [{ repositories: "**", authenticated: true, allow: admin }]');
  await using server = await startInside({ ...files.settings, REGISTRY_HTTP_UI_ENABLED: "true" });
  const pusher = new Client(server.url, undefined, undefined, basic("owner", "1"));
  const [ann, bob] = [await loggedIn(server.url, "ann", "2"), await loggedIn(server.url, "bob", "3")];
  const streamOf = async ({ cookieHeader }: Visitor) => {
    const stream = await EventReader.open(server.url, `/ui/events${fromNow()}`, { cookie: cookieHeader });
    assert.equal(stream.status, 200);
    return stream;
  };
  using leaving = await streamOf(ann);
  using removed = await streamOf(bob);
  await pusher.pushImage("before/app", image(), "v1");
  for (const stream of [leaving, removed])
    await stream.saw("the push", ({ changes }) => changes.some(({ name }) => name === "before/app"));
  await ann.logOut();
  await files.users({ owner: "1" });
  await until("the removal of the user", async () => (await bob.get("/ui/")).status !== 200);
  await pusher.pushImage("after/app", image(), "v1");
  for (const stream of [leaving, removed]) {
    await stream.sawEnd();
    assert.equal(JSON.stringify(stream.updates).includes("after/app"), false);
  }
});
