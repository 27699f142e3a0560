// The bounds of live updates, which no test over HTTP reaches: slow readers, many streams, and the cost of a change.

import uws, { type us_listen_socket } from "uWebSockets.js";
import assert from "node:assert/strict";
import { connect, type Socket } from "node:net";
import { after, test } from "node:test";
import { setTimeout as pause } from "node:timers/promises";
import { anonymous } from "../../src/auth/identity.js";
import type { Change } from "../../src/cluster/cluster.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseTag } from "../../src/domain/reference.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { EventStream } from "../../src/http/event-stream.js";
import { Exchange } from "../../src/http/exchange.js";
import { HeaderBlock } from "../../src/http/header-block.js";
import { Outbox } from "../../src/http/outbox.js";
import { SlowClientTimeouts } from "../../src/http/slow-client-timeouts.js";
import { ChangeLog } from "../../src/http/web/change-log.js";
import type { Sight } from "../../src/http/web/live-stream.js";
import { LiveUpdates } from "../../src/http/web/live-updates.js";
import { RecentChanges, shownOf } from "../../src/http/web/recent-changes.js";
import { until } from "../support/until.js";

const timeouts = new SlowClientTimeouts({ senderSeconds: 60, smallBodySeconds: 60, readerSeconds: 60 });
const answers = {
  headers: new HeaderBlock([["X-Test", "1"]]),
  locationOrigin: () => "",
  outbox: new Outbox(),
};

/** Serves every request with `handle`, and resolves with the port. The path is the name of a user. */
async function serve(handle: (exchange: Exchange) => Promise<void>): Promise<number> {
  const app = uws.App();
  app.any("/*", (response, request) => {
    const incoming = {
      ...{
        method: "GET",
        path: request.getUrl(),
        query: "",
        headers: {},
        authorization: "",
        host: "",
        agent: "",
      },
      ...{ requestId: "", peer: { address: "127.0.0.1", secure: false, certified: undefined } },
      ...{ front: { kind: "none" } as never, route: undefined, body: undefined, closes: false },
    };
    const exchange = new Exchange(response, incoming, timeouts, answers);
    const name = incoming.path.slice(1);
    exchange.identity = { ...anonymous, kind: "user", name, subject: `user:${name}` };
    response.onAborted(() => exchange.abort());
    handle(exchange).catch(() => exchange.send(429, []));
  });
  const socket = await new Promise<us_listen_socket>((resolve) =>
    app.listen("127.0.0.1", 0, (opened) => {
      if (opened !== false) resolve(opened);
    }),
  );
  after(() => app.close());
  return uws.us_socket_local_port(socket);
}

after(() => timeouts.stop());

interface Reader {
  readonly socket: Socket;
  text: string;
}

function read(port: number, user = ""): Reader {
  const socket = connect(port, "127.0.0.1");
  const reader = { socket, text: "" };
  socket.on("data", (chunk) => {
    reader.text += chunk.toString();
  });
  socket.on("error", () => {});
  socket.write(`GET /${user} HTTP/1.1\r\nHost: localhost\r\n\r\n`);
  return reader;
}

const pushed = (name: string, tag = "v1"): Change => ({
  kind: "tag-pointed",
  name: parseRepositoryName(name),
  tag: parseTag(tag),
});
const seesAll: Sight = async () => ({ has: () => true });
const updatesIn = ({ text }: Reader) => [...text.matchAll(/^data: (.*)$/gm)].map(([, data]) => data ?? "");

test("a client that does not read costs two events of memory, and is told once that it has missed some", async () => {
  const event = "x".repeat(60_000);
  let rooms = 0;
  let stream: EventStream | undefined;
  const port = await serve(async (exchange) => {
    stream = new EventStream(exchange, 1_000, () => rooms++);
    await stream.ended;
  });
  const reader = read(port);
  await until("the stream", () => reader.text.includes("retry: 1000"));
  reader.socket.pause();
  for (let events = 0; stream?.hasRoom === true; events++) {
    assert.ok(events < 1_000, "the socket is full at some time");
    stream.send("change", event);
    await pause(1);
  }
  const { sent = 0 } = stream?.exchange ?? {};
  for (let events = 0; events < 1_000; events++) stream?.send("change", event);
  assert.equal(stream?.exchange.sent, sent, "nothing is sent to a full socket");
  assert.equal(rooms, 0);
  reader.socket.resume();
  await until("room", () => rooms === 1);
  assert.equal(stream?.hasRoom, true);
  stream?.send("change", "after");
  await until("the next event", () => reader.text.includes('data: "after"'));
  reader.socket.destroy();
  await stream?.ended;
});

test("ending a stream that is not read closes its connection", async () => {
  let stream: EventStream | undefined;
  const port = await serve(async (exchange) => {
    stream = new EventStream(exchange, 1_000, () => {});
    await stream.ended;
  });
  const reader = read(port);
  await until("the stream", () => reader.text !== "");
  reader.socket.pause();
  while (stream?.hasRoom === true) {
    stream.send("change", "x".repeat(60_000));
    await pause(1);
  }
  let isClosed = false;
  reader.socket.on("close", () => {
    isClosed = true;
  });
  stream?.end();
  reader.socket.resume();
  await until("the end of the connection", () => isClosed);
});

test("there are 256 streams at most, eight of one client, and each is given back", async () => {
  const live = new LiveUpdates();
  after(() => live.close());
  const port = await serve((exchange) => live.follow(exchange, undefined, Number.MAX_SAFE_INTEGER, seesAll));
  const readers = Array.from({ length: 256 }, (_, n) => read(port, `user${n % 40}`));
  await until("all streams", () => live.size === 256);
  const refused = [read(port, "user0"), read(port, "another")];
  await until("refusals", () => refused.every(({ text }) => text.startsWith("HTTP/1.1 429")));
  live.onChange(pushed("team/app"));
  await until("the change everywhere", () => readers.every((reader) => updatesIn(reader).length > 0));
  for (const { socket } of [...readers, ...refused]) socket.destroy();
  await until("no stream", () => live.size === 0);
});

test("many changes cost their publishers little, and each stream a few events", async () => {
  const live = new LiveUpdates();
  after(() => live.close());
  const port = await serve((exchange) => live.follow(exchange, undefined, Number.MAX_SAFE_INTEGER, seesAll));
  const readers = Array.from({ length: 100 }, (_, n) => read(port, `user${n}`));
  await until("all streams", () => live.size === 100);
  let spent = 0;
  const seconds = 2;
  for (let slice = 0; slice < seconds * 100; slice++) {
    const changes = Array.from({ length: 100 }, (_, n) => pushed(`team/app${(slice * 100 + n) % 500}`));
    const begun = performance.now();
    for (const change of changes) live.onChange(change);
    spent += performance.now() - begun;
    await pause(10);
  }
  const microseconds = (spent * 1_000) / (seconds * 10_000);
  assert.ok(microseconds < 10, `${microseconds} us for each change`);
  for (const reader of readers) {
    const updates = updatesIn(reader);
    assert.ok(updates.length > 0 && updates.length <= 4 * seconds, `${updates.length} events`);
    assert.ok(updates.every((update) => update.length < 1_000));
  }
  for (const { socket } of readers) socket.destroy();
});

test("another node's changes are told, and lost ones make pages load again", async () => {
  const cluster = new MemoryCluster({ leaseSeconds: 60 });
  const [one, two] = [cluster.node(), cluster.node()];
  const live = new LiveUpdates();
  one.changes.subscribe(live.onChange);
  after(() => live.close());
  const port = await serve((exchange) => live.follow(exchange, undefined, Number.MAX_SAFE_INTEGER, seesAll));
  const reader = read(port, "user");
  await until("the stream", () => live.size === 1);
  await two.changes.publish(pushed("team/app"));
  await until("the push", () => updatesIn(reader).some((update) => update.includes('"team/app"')));
  assert.equal(reader.text.includes('"hasMore":true'), false);
  await cluster.lose();
  await until("the loss", () => reader.text.includes('"hasMore":true'));
  reader.socket.destroy();
});

test("a stream ends when its visitor may not see the page any more, without a further name", async () => {
  const live = new LiveUpdates({ beatMilliseconds: 50 });
  after(() => live.close());
  let maySee = true;
  const sight: Sight = async () => (maySee ? { has: (name) => name !== "secret/app" } : undefined);
  const port = await serve((exchange) => live.follow(exchange, undefined, Number.MAX_SAFE_INTEGER, sight));
  const reader = read(port, "user");
  await until("the stream", () => live.size === 1);
  live.onChange(pushed("secret/app"));
  live.onChange(pushed("team/app"));
  await until("the push", () => reader.text.includes("team/app"));
  maySee = false;
  live.onChange(pushed("team/other"));
  await until("the end", () => live.size === 0);
  assert.equal(/secret|other/.test(reader.text), false);
  maySee = true;
  const quiet = read(port, "user");
  await until("the stream", () => live.size === 1);
  maySee = false;
  await until("the end without any change", () => live.size === 0);
  for (const { socket } of [reader, quiet]) socket.destroy();
});

const shown = (name: string, tag?: string) => {
  const change = shownOf(pushed(name, tag));
  assert.ok(change !== undefined);
  return change;
};

test("several changes of one repository become one, and too many repositories are not kept", () => {
  const recent = new RecentChanges();
  recent.add(shown("team/app"));
  recent.add(shown("team/app"));
  assert.deepEqual(recent.take(), {
    changes: [{ kind: "pushed", name: "team/app", tag: "v1" }],
    hasMore: false,
  });
  recent.add(shown("team/app", "v1"));
  recent.add(shown("team/app", "v2"));
  assert.deepEqual(recent.take(), { changes: [{ kind: "changed", name: "team/app" }], hasMore: false });
  for (let n = 0; n < 1_000; n++) recent.add(shown(`team/app${n}`));
  const { changes, hasMore } = recent.take();
  assert.equal(changes.length, 64);
  assert.equal(hasMore, true);
  assert.deepEqual(recent.take(), { changes: [], hasMore: false });
});

test("the log tells what has changed since a time, or that it does not know", () => {
  const log = new ChangeLog();
  assert.equal(log.since(10).hasMore, true);
  log.begin(10);
  log.add(shown("a"), 11);
  log.add(shown("b"), 12);
  assert.deepEqual(log.since(12), { changes: [shown("b")], hasMore: false });
  assert.equal(log.since(10).changes.length, 2);
  assert.equal(log.since(9).hasMore, true);
  for (let n = 0; n < 64; n++) log.add(shown("c"), 20 + n);
  assert.deepEqual(log.since(20), { changes: [shown("c")], hasMore: false });
  assert.equal(log.since(12).hasMore, true, "what was dropped is not known");
});
