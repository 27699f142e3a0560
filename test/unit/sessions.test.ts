// Upload sessions: the states they go through, whom they belong to, and when they end.

import assert from "node:assert/strict";
import { test } from "node:test";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId, type SessionId } from "../../src/domain/session-id.js";
import type { RecoveredUpload, UploadStore, UploadTarget } from "../../src/storage/storage.js";
import { Session, type SessionState } from "../../src/uploads/session.js";
import { SessionTable, type SessionTableOptions } from "../../src/uploads/session-table.js";
import type { WorkerPool } from "../../src/uploads/worker-pool.js";
import { kindOf } from "./arbitraries.js";

const owner = { name: parseRepositoryName("a/b"), opener: "user:alice" };
const upload = { ...owner, algorithm: "sha256" as const, announced: false };
const strangers = [
  { ...owner, name: parseRepositoryName("a/c") },
  { ...owner, opener: "user:bob" },
];

/** An upload store that remembers what was removed, and a pool that forgets at once. */
function table(
  options: Partial<SessionTableOptions> = { sessionsMax: 3, idleSecondsMax: 60 },
  onDisk?: [SessionId, RecoveredUpload],
) {
  const removed: UploadTarget[] = [];
  const store: UploadStore = {
    oneRequestTarget: (id) => ({ file: id }),
    sessionTarget: (id) => ({ file: id }),
    save: async () => {},
    abandoned: async function* () {},
    all: async function* () {},
    recover: async (id) => (onDisk !== undefined && id === onDisk[0] ? onDisk[1] : undefined),
    remove: async (target) => void removed.push(target),
  };
  const workers = { forget: async () => {} } as unknown as WorkerPool;
  const sessions = new SessionTable(store, workers, options);
  sessions.stop();
  return { sessions, removed };
}

test("a session goes through its states and no other way", () => {
  const ways: Record<SessionState, SessionState[]> = {
    idle: ["receiving", "closed"],
    receiving: ["idle", "sealing", "closed"],
    sealing: ["closed"],
    closed: [],
  };
  const reach: Record<SessionState, SessionState[]> = {
    idle: [],
    receiving: ["receiving"],
    sealing: ["receiving", "sealing"],
    closed: ["closed"],
  };
  for (const from of Object.keys(ways) as SessionState[]) {
    for (const to of Object.keys(ways) as SessionState[]) {
      const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
      for (const state of reach[from]) session.enter(state);
      if (ways[from].includes(to)) session.enter(to);
      else assert.throws(() => session.enter(to), /invariant/, `${from} → ${to}`);
    }
  }
});

test("a session serves one request at a time", () => {
  const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  session.claim();
  assert.equal(
    kindOf(() => session.claim()),
    "upload-busy",
  );
  session.enter("idle");
  session.claim();
});

test("a session rolls back to where a request began and never forth", () => {
  const session = new Session(newSessionId(), { ...upload, createdAt: Date.now() });
  session.claim();
  session.wrote(10);
  session.rollBack(4);
  assert.equal(session.received, 4);
  assert.throws(() => session.rollBack(5), /invariant/);
});

test("a session is found under its own repository, by its opener only", async () => {
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

test("there are at most so many sessions, and a closed one makes room", async () => {
  const { sessions } = table();
  const [first] = [1, 2, 3].map(() => sessions.open(upload));
  assert.equal(
    kindOf(() => sessions.open(upload)),
    "too-many-requests",
  );
  assert.ok(first !== undefined);
  await sessions.close(first);
  sessions.open(upload);
  assert.equal(sessions.size, 3);
});

test("one opener has at most so many sessions, others have theirs, and a closed one makes room", async () => {
  const { sessions } = table({ sessionsPerOpenerMax: 2 });
  const [first] = [1, 2].map(() => sessions.open(upload));
  assert.equal(
    kindOf(() => sessions.open(upload)),
    "too-many-requests",
  );
  sessions.open({ ...upload, opener: "user:bob" });
  assert.ok(first !== undefined);
  await sessions.close(first);
  sessions.open(upload);
});

test("what an abandoned session has brought goes with it after its time, but not while a request is at work", async () => {
  const { sessions, removed } = table();
  const idle = sessions.open(upload);
  idle.target = { file: "idle" };
  const busy = sessions.open(upload);
  busy.target = { file: "busy" };
  busy.claim();
  await sessions.purge(Date.now() + 59_000);
  assert.equal(sessions.size, 2);
  assert.equal(sessions.purged, 0);
  await sessions.purge(Date.now() + 61_000);
  assert.equal(sessions.purged, 1);
  assert.deepEqual(removed, [{ file: "idle" }]);
  assert.equal(sessions.size, 1);
});

test("those who ask at once for a session of an earlier process get one and the same", async () => {
  const id = newSessionId();
  const target = { file: "f" };
  const record = {
    ...owner,
    algorithm: "sha512" as const,
    announced: true,
    createdAt: 1,
    received: 7,
    target,
  };
  const { sessions } = table(undefined, [id, record]);
  const [one, two] = await Promise.all([sessions.find(owner, id), sessions.find(owner, id)]);
  assert.equal(one, two);
  assert.deepEqual([one.received, one.algorithm, one.announced, one.state], [7, "sha512", true, "idle"]);
});

test("a session that was closed is not found again on the disk while its files are still going", async () => {
  const id = newSessionId();
  const target = { file: "f" };
  const record = { ...upload, createdAt: 1, received: 7, target };
  const { sessions } = table(undefined, [id, record]);
  const session = await sessions.find(owner, id);
  const closing = sessions.close(session);
  await assert.rejects(async () => sessions.find(owner, id), { kind: "upload-unknown" });
  await closing;
  assert.equal(sessions.size, 0);
});
