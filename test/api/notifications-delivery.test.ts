// Delivery of webhooks: in order, with retries, within bounds, and without delaying requests.

import assert from "node:assert/strict";
import type { ServerResponse } from "node:http";
import { after, test } from "node:test";
import { Client } from "../support/client.js";
import { blobOf, image, newName } from "../support/content.js";
import type { GantrySettings, RunningGantry } from "../support/gantry.js";
import { startInside } from "../support/inside.js";
import { startMeasured, valuesOf } from "../support/metrics.js";
import { eventually } from "../support/store.js";
import { type AnswerEnvelope, WebhookReceiver, webhooksTo } from "../support/webhooks.js";

const ok: AnswerEnvelope = (response) => void response.end();
const status =
  (code: number, headers: Readonly<Record<string, string>> = {}): AnswerEnvelope =>
  (response) =>
    void response.writeHead(code, headers).end();

/** Does not respond until released. */
class Hanging {
  #held: (() => void)[] | undefined = [];

  readonly answer: AnswerEnvelope = (response: ServerResponse) => {
    if (this.#held === undefined) response.end();
    else this.#held.push(() => response.end());
  };

  release(): void {
    const held = this.#held ?? [];
    this.#held = undefined;
    for (const answer of held) answer();
  }
}

/** Receivers here may hang for longer than the server waits for them, and its log is only about them. */
const brief: GantrySettings = { REGISTRY_HTTP_DRAINTIMEOUT: "1s", REGISTRY_LOG_ACCESSLOG_DISABLED: "true" };

/** A server with the receiver as its only endpoint. */
async function startNotifying(
  receiver: WebhookReceiver,
  endpoint: Readonly<Record<string, unknown>> = {},
  settings: GantrySettings = {},
): Promise<{ gantry: RunningGantry; client: Client; counted(what: string): Promise<number> }> {
  const { gantry, page } = await startMeasured(startInside, {
    ...webhooksTo({ name: "one", url: `${receiver.origin}/hook`, ...endpoint }),
    ...brief,
    ...settings,
  });
  after(() => gantry.stop());
  const counted = async (what: string) => {
    const values = valuesOf(await (await page()).text());
    return values.get(`gantry_notifications_${what}{endpoint="one"}`) ?? Number.NaN;
  };
  return { gantry, client: new Client(gantry.url), counted };
}

/** Causes events one after the other, and returns their digests. */
async function pushSome(client: Client, name: string, count: number): Promise<string[]> {
  const blobs = Array.from({ length: count }, () => blobOf(10));
  for (const blob of blobs) await client.pushBlobs(name, blob);
  return blobs.map(({ digest }) => digest);
}

async function digestsTaken(receiver: WebhookReceiver, name: string, count: number): Promise<unknown[]> {
  return (await receiver.eventsOf(name, count)).map(({ target }) => target.digest);
}

test("failed events are retried, at once up to the threshold and then with pauses, and arrive in order", async () => {
  const failures = 5;
  const receiver = await WebhookReceiver.start((response, envelope, tries) =>
    (tries < failures ? status(500 + tries) : ok)(response, envelope, tries),
  );
  const { gantry, client, counted } = await startNotifying(receiver, { threshold: 3, backoff: "200ms" });
  const name = newName();
  const digests = await pushSome(client, name, 20);
  assert.deepEqual(await digestsTaken(receiver, name, 20), digests);
  const times = receiver.envelopes.map(({ at }) => at);
  for (let tried = 3; tried <= failures; tried++)
    assert.ok((times[tried] ?? 0) - (times[tried - 1] ?? 0) >= 195, `attempt ${tried + 1} came too soon`);
  assert.equal(await counted("failures_total"), failures);
  assert.equal(await counted("events_total"), 20);
  assert.equal(await counted("delivered_total"), 20);
  assert.equal(await counted("dropped_total"), 0);
  assert.equal(await counted("pending"), 0);
  const log = gantry.log();
  assert.equal(
    log.match(/the webhook endpoint does not accept events/g)?.length,
    1,
    "reported once, not at each attempt",
  );
  assert.match(log, /the response status is 500/);
  assert.match(log, /"failures":5.*the webhook endpoint accepts events again/);
});

test("events that arrive during a delivery are sent together in the next one, up to the maximum", async () => {
  const hanging = new Hanging();
  const receiver = await WebhookReceiver.start(hanging.answer);
  const { client } = await startNotifying(receiver, { timeout: "60s" });
  const name = newName();
  const [first] = await pushSome(client, name, 1);
  await eventually("the first envelope", () => receiver.envelopes[0]);
  const digests = await pushSome(client, name, 3);
  for (let pull = 0; pull < 450; pull++) await client.head(`/v2/${name}/blobs/${first}`);
  hanging.release();
  assert.deepEqual(await digestsTaken(receiver, name, 454), [first, ...digests, ...Array(450).fill(first)]);
  assert.deepEqual(
    receiver.envelopes.map(({ events }) => events.length),
    [1, 400, 53],
  );
});

test("a receiver that accepts only short envelopes gets such, and every event once", async () => {
  const hanging = new Hanging();
  const receiver = await WebhookReceiver.start((response, envelope, tries) => {
    if (tries === 0) hanging.answer(response, envelope, tries);
    else (envelope.events.length > 6 ? status(413) : ok)(response, envelope, tries);
  });
  const { client, counted } = await startNotifying(receiver, { timeout: "60s" });
  const name = newName();
  const [first] = await pushSome(client, name, 1);
  await eventually("the first envelope", () => receiver.envelopes[0]);
  for (let pull = 0; pull < 80; pull++) await client.head(`/v2/${name}/blobs/${first}`);
  hanging.release();
  await receiver.eventsOf(name, 81);
  const ids = receiver.taken.map(({ id }) => id);
  assert.equal(new Set(ids).size, ids.length);
  const lengths = receiver.envelopes.map(({ events }) => events.length);
  assert.deepEqual(lengths.slice(0, 9), [1, 80, 40, 20, 10, 5, 6, 7, 4]);
  assert.equal(await counted("failures_total"), lengths.filter((length) => length > 6).length);
});

test("an attempt has a time limit, and a broken connection is an ordinary failure", async () => {
  const receiver = await WebhookReceiver.start((response, envelope, tries) => {
    if (tries === 1) response.destroy();
    if (tries > 1) ok(response, envelope, tries);
  });
  const { client, counted } = await startNotifying(receiver, { timeout: "100ms" });
  const name = newName();
  const digests = await pushSome(client, name, 1);
  assert.deepEqual(await digestsTaken(receiver, name, 1), digests);
  assert.equal(await counted("failures_total"), 2);
});

test("any 2xx or 3xx response is a success", async () => {
  const codes = [200, 201, 202, 204, 299, 300, 304, 399];
  const receiver = await WebhookReceiver.start((response, envelope, tries) =>
    status(codes[tries] ?? 500)(response, envelope, tries),
  );
  const { client, counted } = await startNotifying(receiver);
  const name = newName();
  const digests: string[] = [];
  for (const code of codes) {
    digests.push(...(await pushSome(client, name, 1)));
    assert.deepEqual(await digestsTaken(receiver, name, digests.length), digests, `after ${code}`);
  }
  assert.equal(await counted("failures_total"), 0);
});

test("a redirect that keeps method and body is followed within the same origin, with everything", async () => {
  const receiver = await WebhookReceiver.start((response, envelope, tries) => {
    const redirect = status(tries === 0 ? 307 : 308, { Location: `there?a=${tries}` });
    (envelope.path === "/hook" ? redirect : ok)(response, envelope, tries);
  });
  const { client } = await startNotifying(receiver, { headers: { Authorization: ["Bearer abc"] } });
  for (const first of [0, 2]) {
    await pushSome(client, newName(), 1);
    const second = await eventually("the second request", () => receiver.envelopes[first + 1]);
    assert.equal(second.path, `/there?a=${first}`);
    assert.equal(second.headers.authorization, "Bearer abc");
    assert.deepEqual(second.events, receiver.envelopes[first]?.events);
  }
});

test("a redirect to another origin is reported once, and the secrets are not sent", async () => {
  const codes = [301, 302, 303, 307, 308];
  const elsewhere = await WebhookReceiver.start();
  const receiver = await WebhookReceiver.start((response, envelope, tries) =>
    status(codes[tries] ?? 200, { Location: `${elsewhere.origin}/?stolen` })(response, envelope, tries),
  );
  const { gantry, client } = await startNotifying(receiver);
  const name = newName();
  for (const count of codes.keys()) {
    await pushSome(client, name, 1);
    await receiver.eventsOf(name, count + 1);
  }
  await gantry.stop();
  assert.deepEqual(elsewhere.envelopes, []);
  assert.equal(gantry.log().match(/redirects to another origin/g)?.length, 1);
  assert.doesNotMatch(gantry.log(), /stolen/);
});

test("an endpoint that redirects in a circle has accepted nothing", async () => {
  const receiver = await WebhookReceiver.start(status(307, { Location: "/hook" }));
  const { gantry, client, counted } = await startNotifying(receiver, { threshold: 1, backoff: "60s" });
  await pushSome(client, newName(), 1);
  await eventually("the failure", async () => ((await counted("failures_total")) === 1 ? true : undefined));
  assert.equal(receiver.envelopes.length, 6);
  assert.match(gantry.log(), /too many redirects/);
});

test("while an endpoint hangs, pushes continue, its queue keeps the newest events, and the dropped ones are reported once", async () => {
  const hanging = new Hanging();
  const receiver = await WebhookReceiver.start(hanging.answer);
  const { gantry, client, counted } = await startNotifying(receiver, {
    timeout: "60s",
    queue: { events: "50" },
  });
  const name = newName();
  const picture = image();
  await client.pushImage(name, picture, "v1");
  await eventually("the first envelope", () => receiver.envelopes[0]);
  const digests = await pushSome(client, name, 30);
  for (let pull = 0; pull < 200; pull++)
    assert.equal(
      (await client.get(`/v2/${name}/manifests/v1`, { "X-Request-ID": `pull-${pull}` })).status,
      200,
    );
  assert.equal(receiver.taken.length, 0, "nothing was delivered meanwhile");
  assert.equal(await counted("pending"), 50);
  assert.equal(await counted("dropped_total"), 3 + digests.length + 150);
  hanging.release();
  const taken = await eventually("what was kept", () =>
    receiver.taken.some(({ request }) => request.id === "pull-199") ? receiver.taken : undefined,
  );
  const ids = taken.filter(({ action }) => action === "pull").map(({ request }) => request.id);
  assert.deepEqual(
    ids,
    Array.from({ length: 50 }, (_, index) => `pull-${150 + index}`),
  );
  await eventually("the end of the burst", () =>
    /"events":183.*events for the webhook endpoint were dropped/.test(gantry.log()) ? true : undefined,
  );
  assert.equal(gantry.log().match(/too many events wait for the webhook endpoint/g)?.length, 1);
});

test("a queue is bounded in bytes too", async () => {
  const receiver = await WebhookReceiver.start(() => {});
  const { client, counted } = await startNotifying(receiver, { timeout: "60s", queue: { mib: "1" } });
  const name = newName();
  await client.pushImage(name, image(), "v1");
  const headers = { "User-Agent": "x".repeat(4000) };
  for (let pull = 0; pull < 400; pull++) await client.get(`/v2/${name}/manifests/v1`, headers);
  const [pending, dropped] = [await counted("pending"), await counted("dropped_total")];
  assert.ok(pending * 4000 < 1024 * 1024 && pending > 200, `${pending} events wait`);
  assert.equal(pending + dropped, 403);
});

test("an unreachable endpoint delays no other", async () => {
  const well = await WebhookReceiver.start();
  const dead = await WebhookReceiver.start(() => {});
  await using server = await startInside({
    ...webhooksTo({ name: "dead", url: dead.origin, timeout: "60s" }, { name: "well", url: well.origin }),
    ...brief,
  });
  const name = newName();
  const digests = await pushSome(new Client(server.url), name, 5);
  assert.deepEqual(await digestsTaken(well, name, 5), digests);
});

test("a stopping server delivers waiting events", async () => {
  const receiver = await WebhookReceiver.start();
  const { gantry, client } = await startNotifying(receiver);
  const name = newName();
  const digests = await pushSome(client, name, 30);
  await gantry.stop();
  assert.deepEqual(
    receiver.taken.map(({ target }) => target.digest),
    digests,
  );
});

for (const [what, answer, settings, endpoint] of [
  ["fails", status(503), {}, { backoff: "60s" }],
  ["hangs", () => {}, {}, { timeout: "300ms" }],
  [
    "hangs for longer than the drain timeout",
    () => {},
    { REGISTRY_HTTP_DRAINTIMEOUT: "300ms" },
    { timeout: "60s" },
  ],
] as const)
  test(`a stopping server does not wait for a receiver that ${what}, and reports the lost events`, async () => {
    const receiver = await WebhookReceiver.start(answer);
    const { gantry, client } = await startNotifying(receiver, { threshold: 1, ...endpoint }, settings);
    await pushSome(client, newName(), 3);
    await eventually("a try", () => receiver.envelopes[0]);
    const asked = performance.now();
    await gantry.stop();
    assert.ok(performance.now() - asked < 10_000);
    assert.match(
      gantry.log(),
      /"endpoint":"one","events":3,"msg":"events were not delivered before shutdown, and are lost"/,
    );
  });

test("the log reveals no secret of an endpoint, healthy or not", async () => {
  const receiver = await WebhookReceiver.start(status(500));
  const { hostname, port } = new URL(receiver.origin);
  const { gantry, client, counted } = await startNotifying(receiver, {
    url: `http://robot:pa%73sword@${hostname}:${port}/secret-path?key=secret-query`,
    headers: { "X-Key": ["secret-header"] },
    backoff: "60s",
    threshold: 1,
  });
  await pushSome(client, newName(), 1);
  await eventually("the failure", async () => ((await counted("failures_total")) === 1 ? true : undefined));
  const [envelope] = receiver.envelopes;
  assert.equal(envelope?.headers["x-key"], "secret-header");
  assert.equal(envelope.headers.authorization, `Basic ${Buffer.from("robot:password").toString("base64")}`);
  assert.equal(envelope.path, "/secret-path?key=secret-query");
  await gantry.stop();
  assert.match(gantry.log(), /the webhook endpoint does not accept events/);
  assert.doesNotMatch(gantry.log(), /secret|assword|robot/);
});
