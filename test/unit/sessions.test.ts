// Upload sessions: their states, their owners, and when they end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { setImmediate } from "node:timers/promises";
import type { Cluster } from "../../src/cluster/cluster.js";
import { MemoryCluster } from "../../src/cluster/memory/open.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId, type SessionId } from "../../src/domain/session-id.js";
import type { RecoveredUpload, Upload, UploadStore } from "../../src/storage/storage.js";
import { restoreSessions, saveSessions } from "../../src/uploads/saved-sessions.js";
import { Session, type SessionState } from "../../src/uploads/session.js";
import { SessionTable, type SessionTableOptions } from "../../src/uploads/session-table.js";
import { memoryStorage } from "../support/memory-storage.js";
import { kindOf } from "./arbitraries.js";

const owner = { name: parseRepositoryName("a/b"), opener: "user:alice" };
const upload = { ...owner, client: owner.opener, algorithm: "sha256" as const, announced: false };
const strangers = [
  { ...owner, name: parseRepositoryName("a/c") },
  { ...owner, opener: "user:bob" },
];

/** An upload that records when it is aborted. */
function uploadOf(name: string, removed: string[]): Upload {
  return {
    algorithm: "sha256",
    isLost: false,
    append: () => assert.fail("no bytes come"),
    seal: () => assert.fail("no bytes come"),
    commit: () => assert.fail("no bytes come"),
    flush: async () => {},
    truncate: async (bytes) => bytes,
    abort: async () => void removed.push(name),
  };
}

const idleUpload = uploadOf("recovered", []);

/** An upload store that records removals. */
function table(
  options: Partial<SessionTableOptions> = { sessionsMax: 3, idleSecondsMax: 60 },
  onDisk?: [SessionId, RecoveredUpload],
  node: Cluster = new MemoryCluster({ leaseSeconds: 3600 }).node(),
  isShared = false,
) {
  const removed: string[] = [];
  const uploadNamed = (name: string) => uploadOf(name, removed);
  const store: UploadStore = {
    isShared,
    openScratchFile: () => assert.fail("nothing is held"),
    begin: uploadNamed,
    abandoned: async function* () {},
    all: async function* () {
      if (onDisk !== undefined) yield { id: onDisk[0], bytes: onDisk[1].received };
    },
    recover: async (id) => (onDisk !== undefined && id === onDisk[0] ? onDisk[1] : undefined),
    remove: async (id) => void removed.push(id),
  };
  const sessions = new SessionTable(store, node, {
    sessionsMax: 1000,
    sessionsPerClientMax: 1000,
    unusedSecondsMax: 600,
    idleSecondsMax: 3600,
    purgeEverySeconds: 3600,
    recovers: true,
    onError: (error) => assert.fail(String(error)),
    ...options,
  });
  sessions.stop();
  return { sessions, removed, uploadNamed };
}

const states: readonly SessionState[] = ["idle", "receiving", "sealing", "closed"];

/** Moves a new session through these states as far as possible, and returns those reached. */
function walk(path: readonly SessionState[]): SessionState[] {
  const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  const seen: SessionState[] = [session.state];
  for (const state of path) {
    try {
      session.enter(state);
    } catch (error) {
      assert.match(String(error), /invariant/);
      break;
    }
    seen.push(session.state);
  }
  return seen;
}

for (const [what, path] of [
  [
    "pushed by two PATCHes and a PUT",
    ["receiving", "idle", "receiving", "idle", "receiving", "sealing", "closed"],
  ],
  ["pushed by one POST", ["receiving", "sealing", "closed"]],
  [
    "closed by a second PUT after the storage failed",
    ["receiving", "sealing", "idle", "receiving", "sealing", "closed"],
  ],
  ["left by a client that disconnected during a PATCH, and purged", ["receiving", "idle", "closed"]],
  ["canceled, or closed by a refused request", ["receiving", "closed"]],
  ["purged before any byte", ["closed"]],
] as const)
  test(`an upload can be ${what}`, () => {
    assert.deepEqual(walk(path), ["idle", ...path]);
  });

test("in any sequence, no request starts inside another, only requests seal, and closed sessions stay closed", () => {
  // All paths of four states: each reachable state is reached within three steps, and left by the fourth.
  const paths = states.reduce<SessionState[][]>(
    (longer) => longer.flatMap((path) => states.map((state) => [...path, state])),
    [[]],
  );
  assert.equal(paths.length, states.length ** 4);
  for (const path of paths) {
    const seen = walk(path);
    for (const [place, after] of seen.slice(1).entries()) {
      const before = seen[place];
      const step = `${before} → ${after}`;
      assert.notEqual(before, "closed", step);
      assert.notEqual(before, after, step);
      if (before === "sealing") assert.notEqual(after, "receiving", step);
      if (after === "sealing") assert.equal(before, "receiving", step);
    }
  }
});

test("an upload being sealed or finished accepts no request and no bytes", () => {
  for (const path of [["receiving", "sealing"], ["closed"]] as const) {
    const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
    for (const state of path) session.enter(state);
    assert.equal(
      kindOf(() => session.claim()),
      "upload-busy",
    );
    assert.throws(() => session.wrote(1), /invariant/);
  }
});

test("a session handles one request at a time", () => {
  const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  session.claim();
  assert.equal(
    kindOf(() => session.claim()),
    "upload-busy",
  );
  session.enter("idle");
  session.claim();
});

test("a session rolls back only to the start of a request", () => {
  const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  session.claim();
  session.wrote(10);
  session.rollBack(4);
  assert.equal(session.received, 4);
  assert.throws(() => session.rollBack(5), /invariant/);
});

test("a session is found only in its repository and by its opener", async () => {
  const { sessions } = table();
  const session = sessions.open(upload);
  assert.equal(await sessions.find(owner, session.id), session);
  for (const stranger of strangers) {
    assert.equal(
      kindOf(() => sessions.find(stranger, session.id)),
      "upload-unknown",
    );
  }
  for (const id of ["", "x", `../${session.id}`, session.id.toUpperCase().replaceAll("-", "")]) {
    assert.equal(
      kindOf(() => sessions.find(owner, id)),
      "upload-unknown",
    );
  }
  await assert.rejects(async () => sessions.find(owner, newSessionId()), { kind: "upload-unknown" });
});

/** A session with bytes. */
function used(sessions: SessionTable, of: typeof upload = upload): Session {
  const session = sessions.open(of);
  session.claim();
  session.wrote(1);
  session.enter("idle");
  return session;
}

test("a session with a request at another process is refused, in words that also hold without nodes", async () => {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const [here, there] = [cluster.node(), cluster.node()];
  const session = table({}, undefined, there).sessions.open(upload);
  session.enter("receiving");
  const found = async () => table({}, undefined, here).sessions.find(owner, session.id);
  await assert.rejects(found, {
    kind: "upload-busy",
    message: /^another request for this upload is running at another process or node \(node:/,
  });
});

test("the number of sessions is limited, and closing one makes room", async () => {
  const { sessions } = table();
  const [first] = [1, 2, 3].map(() => used(sessions));
  assert.equal(
    kindOf(() => sessions.open(upload)),
    "too-many-requests",
  );
  assert.ok(first !== undefined);
  await sessions.close(first);
  sessions.open(upload);
  assert.equal(sessions.size, 3);
});

test("with too many, the oldest without bytes and without a request is dropped", async () => {
  const { sessions } = table();
  const [first, second, third] = [used(sessions), sessions.open(upload), sessions.open(upload)];
  second.claim();
  const fourth = sessions.open(upload);
  assert.equal(third.state, "closed");
  assert.equal(sessions.size, 3);
  for (const kept of [first, second, fourth]) assert.equal(await sessions.find(owner, kept.id), kept);
  await assert.rejects(async () => sessions.find(owner, third.id), { kind: "upload-unknown" });
});

test("the client with the most sessions makes room for one with fewer, down to an equal share", async () => {
  const { sessions, removed, uploadNamed } = table({ sessionsMax: 6, sessionsPerClientMax: 3 });
  const usedBy = (client: string) => {
    const session = used(sessions, { ...upload, client });
    session.upload = uploadNamed(client);
    return session;
  };
  const [first, , , busy] = ["a", "a", "a", "b", "b", "b"].map(usedBy);
  busy?.claim();
  const own = [usedBy("c"), usedBy("c")];
  assert.deepEqual([first?.state, busy?.state], ["closed", "receiving"]);
  assert.equal(
    kindOf(() => usedBy("c")),
    "too-many-requests",
    "each has two",
  );
  await setImmediate();
  assert.equal(sessions.size, 6);
  assert.deepEqual(removed, ["a", "b"]);
  for (const session of own) assert.equal(await sessions.find(owner, session.id), session);
});

test("neither many busy sessions nor many small clients keep a new client from its place", async () => {
  const { sessions } = table({ sessionsMax: 700, sessionsPerClientMax: 500 });
  const usedBy = (client: string) => used(sessions, { ...upload, client });
  for (let client = 0; client < 200; client++) usedBy(`small ${client}`);
  const [...large] = Array.from({ length: 500 }, () => usedBy("large"));
  for (const session of large.slice(0, 499)) session.claim();
  assert.equal(usedBy("new").state, "idle");
  assert.equal(large.at(-1)?.state, "closed");
  assert.equal(
    kindOf(() => usedBy("new")),
    "too-many-requests",
    "all sessions of the largest client are busy",
  );
});

test("a single-request upload does not count as a session", () => {
  const { sessions } = table({ sessionsMax: 1, sessionsPerClientMax: 1 });
  used(sessions);
  const session = sessions.openUncounted(upload);
  assert.equal(sessions.size, 1);
  session.claim();
});

test("an anonymous client is counted by network, and can resume a session from any", async () => {
  const { sessions } = table({ sessionsPerClientMax: 1 });
  const nobody = { ...upload, opener: "anonymous" };
  const session = sessions.open({ ...nobody, client: "192.0.2.1" });
  assert.equal(
    kindOf(() => sessions.open({ ...nobody, client: "192.0.2.1" })),
    "too-many-requests",
  );
  sessions.open({ ...nobody, client: "192.0.2.2" });
  assert.equal(await sessions.find({ ...owner, opener: "anonymous" }, session.id), session);
});

test("a session without bytes expires early, one with bytes or a request does not", async () => {
  const { sessions, uploadNamed } = table({ unusedSecondsMax: 60 });
  const [unused, busy, withBytes] = [sessions.open(upload), sessions.open(upload), used(sessions)];
  busy.claim();
  await sessions.purgeUnused(Date.now() + 59_000);
  assert.equal(sessions.size, 3);
  await sessions.purgeUnused(Date.now() + 61_000);
  assert.deepEqual([unused.state, busy.state, withBytes.state], ["closed", "receiving", "idle"]);
  assert.equal(sessions.purged, 1);
  // Bytes taken back by a request count as never received.
  withBytes.claim();
  withBytes.rollBack(0);
  withBytes.upload = uploadNamed("bytes");
  await sessions.dropBytes(withBytes);
  withBytes.enter("idle");
  await sessions.purgeUnused(Date.now() + 122_000);
  assert.equal(withBytes.state, "closed");
});

test("a session of an earlier process counts for its client, and keeps its age", async () => {
  const id = newSessionId();
  const touchedAt = Date.now() - 50_000;
  const record = { ...upload, createdAt: 1, touchedAt, received: 7, upload: idleUpload };
  const { sessions } = table({ sessionsPerClientMax: 1, idleSecondsMax: 60 }, [id, record]);
  await setImmediate();
  await setImmediate();
  assert.equal(sessions.size, 1);
  assert.equal(
    kindOf(() => sessions.open(upload)),
    "too-many-requests",
  );
  await sessions.purge(Date.now() + 11_000);
  sessions.open(upload);
});

test("sessions without bytes survive a planned restart, for the rest of their time", async () => {
  const { notes } = memoryStorage();
  const before = table().sessions;
  used(before);
  const [old, young] = [before.open(upload), before.open(upload)];
  old.lastUsedAt = Date.now() - 61_000;
  await saveSessions(before, notes);
  const after = table({ unusedSecondsMax: 60, sessionsPerClientMax: 1 }).sessions;
  await restoreSessions(after, notes);
  assert.equal(after.size, 1);
  const found = await after.find(owner, young.id);
  assert.deepEqual([found.received, found.lastUsedAt], [0, young.lastUsedAt]);
  assert.equal(
    kindOf(() => after.open(upload)),
    "too-many-requests",
  );
  assert.equal(await notes.take("sessions"), undefined, "it is recovered once");
  for (const damaged of ["", "{", "[1, {}]", '[{"id":"x","touchedAt":1,"record":"{}"}]']) {
    await notes.put("sessions", Buffer.from(damaged));
    await restoreSessions(table().sessions, notes);
  }
});

test("one client has a limited number of sessions, others have theirs, and closing one makes room", async () => {
  const { sessions } = table({ sessionsPerClientMax: 2 });
  const [first] = [1, 2].map(() => sessions.open(upload));
  assert.equal(
    kindOf(() => sessions.open(upload)),
    "too-many-requests",
  );
  sessions.open({ ...upload, opener: "user:bob", client: "user:bob" });
  assert.ok(first !== undefined);
  await sessions.close(first);
  sessions.open(upload);
});

test("an upload that another node would take for a blob is stored again before that node gets it", async () => {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const node = cluster.node();
  const { sessions, uploadNamed } = table({}, undefined, node, true);
  const session = sessions.open(upload);
  let isAway = true;
  let isOnlyHere = true;
  session.upload = Object.defineProperty(
    {
      ...uploadNamed("early"),
      isShared: true,
      flush: async () => {
        if (isAway) throw new Error("the store is away");
        isOnlyHere = false;
      },
    },
    "isOnlyHere",
    { get: () => isOnlyHere },
  );
  session.claim();
  session.wrote(7);
  session.enter("idle");
  const { uploads } = cluster.node();
  assert.notEqual((await uploads.claim(session.id)).owner, "here");
  assert.equal(await sessions.find(owner, session.id), session);
  isAway = false;
  assert.deepEqual(await uploads.claim(session.id), { owner: "here" });
  assert.equal(sessions.size, 0);
});

test("an abandoned session is removed with its bytes after its time, but not during a request", async () => {
  const { sessions, removed, uploadNamed } = table();
  const idle = sessions.open(upload);
  idle.upload = uploadNamed("idle");
  const busy = sessions.open(upload);
  busy.upload = uploadNamed("busy");
  busy.claim();
  await sessions.purge(Date.now() + 59_000);
  assert.equal(sessions.size, 2);
  assert.equal(sessions.purged, 0);
  await sessions.purge(Date.now() + 61_000);
  assert.equal(sessions.purged, 1);
  assert.deepEqual(removed, ["idle"]);
  assert.equal(sessions.size, 1);
});

test("concurrent requests for a session of an earlier process get the same one", async () => {
  const id = newSessionId();
  const record = {
    ...owner,
    algorithm: "sha512" as const,
    client: owner.opener,
    announced: true,
    createdAt: 1,
    touchedAt: 1,
    received: 7,
    upload: idleUpload,
  };
  const { sessions } = table(undefined, [id, record]);
  const [one, two] = await Promise.all([sessions.find(owner, id), sessions.find(owner, id)]);
  assert.equal(one, two);
  assert.deepEqual([one.received, one.algorithm, one.announced, one.state], [7, "sha512", true, "idle"]);
});

test("a closed session is not found on the disk while its files are being removed", async () => {
  const id = newSessionId();
  const record = { ...upload, createdAt: 1, touchedAt: 1, received: 7, upload: idleUpload };
  const { sessions } = table(undefined, [id, record]);
  const session = await sessions.find(owner, id);
  const closing = sessions.close(session);
  await assert.rejects(async () => sessions.find(owner, id), { kind: "upload-unknown" });
  await closing;
  assert.equal(sessions.size, 0);
});

test("a session without bytes moves to the node that is asked for it; one with bytes stays with its hash", async () => {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 });
  const one = table(undefined, undefined, cluster.node()).sessions;
  const two = table(undefined, undefined, cluster.node()).sessions;
  const [empty, begun] = [one.open(upload), one.open(upload)];
  begun.claim();
  begun.wrote(5);
  begun.enter("idle");
  const [taken, again] = await Promise.all([two.find(owner, empty.id), two.find(owner, empty.id)]);
  assert.equal(taken, again, "two requests share one session");
  assert.deepEqual([taken.id, taken.client, taken.createdAt], [empty.id, empty.client, empty.createdAt]);
  assert.deepEqual([one.size, two.size], [1, 1]);
  await assert.rejects(async () => two.find(owner, begun.id), { kind: "upload-busy" });
  assert.equal(await one.find(owner, begun.id), begun);
});

test("a session that is being purged is not found", async () => {
  const cluster = new MemoryCluster({ leaseSeconds: 3600 }).node();
  const { sessions } = table(undefined, undefined, cluster);
  const id = newSessionId();
  let end: () => void = () => {};
  const purging = cluster.once(`upload ${id}`, () => new Promise((resolve) => (end = resolve)));
  const finding = assert.rejects(async () => sessions.find(owner, id), { kind: "upload-unknown" });
  end();
  await Promise.all([purging, finding]);
  assert.equal(await cluster.uploads.owner(id), undefined);
});
