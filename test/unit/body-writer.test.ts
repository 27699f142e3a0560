// Bodies on their way through slabs to the workers: with any pieces, order of events, failures and disconnects, bytes arrive
// in order and every slab is returned.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { mkdtempSync, readdirSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { setImmediate as turn } from "node:timers/promises";
import fc from "fast-check";
import { parseDigest } from "../../src/domain/digest.js";
import { TooManyRequests } from "../../src/domain/errors.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import { newSessionId, type SessionId } from "../../src/domain/session-id.js";
import { type BoundedFile, HeldBytes } from "../../src/lib/held-bytes.js";
import { SlabPool } from "../../src/lib/slab-pool.js";
import { openScratchFile } from "../../src/storage/scratch-file.js";
import type { Tail, Upload, UploadTimes } from "../../src/storage/storage.js";
import { BodyWriter, type Flow } from "../../src/uploads/body-writer.js";
import { Session } from "../../src/uploads/session.js";

const upload = {
  name: parseRepositoryName("a"),
  opener: "anonymous",
  client: "192.0.2.1",
  algorithm: "sha256",
  announced: false,
} as const;
const digest = parseDigest(`sha256:${"0".repeat(64)}`);
const times: UploadTimes = { startedAt: 0, openedAt: 0, hashedAt: 0, writtenAt: 0 };

/** Workers that keep the bytes in memory and run an upload's tasks in sequence, each after some turns. */
class FakeWorkers {
  readonly files = new Map<SessionId, number[]>();
  readonly #tails = new Map<SessionId, Promise<unknown>>();
  tasks = 0;

  constructor(
    readonly slabs: SlabPool,
    /** The number of turns that a task takes, by its number. */
    readonly turns: readonly number[],
    /** The number of the first failing task; later ones fail, too. */
    readonly failing = Number.POSITIVE_INFINITY,
  ) {}

  /** An upload whose bytes these workers hold. */
  uploadOf({ id }: Session): Upload {
    return {
      algorithm: "sha256",
      isLost: false,
      append: (part, offset) => this.#inOrder(id, { part, offset }),
      seal: (_expected, tail) => this.#inOrder(id, tail),
      commit: async (_name, _digest, tail) => ({
        healed: false,
        times: tail && (await this.#inOrder(id, tail)),
      }),
      flush: async () => {},
      truncate: async (bytes) => bytes,
      abort: async () => {},
    };
  }

  async #inOrder(id: SessionId, tail: Tail): Promise<UploadTimes> {
    const before = this.#tails.get(id) ?? Promise.resolve();
    const number = this.tasks++;
    const mine = before.catch(() => {}).then(() => this.#run(id, tail, number));
    this.#tails.set(id, mine);
    await mine;
    return times;
  }

  async #run(session: SessionId, { part, offset }: Tail, number: number): Promise<void> {
    for (let count = this.turns[number % this.turns.length] ?? 0; count > 0; count--) await turn();
    if (number >= this.failing) throw new Error("the disk is gone");
    const file = this.files.get(session) ?? [];
    assert.equal(file.length, offset, "a part starts where the previous one ended");
    if (part !== undefined) {
      assert.equal(
        part.start,
        offset % this.slabs.blockBytes,
        "a block in the upload is a block in the slab",
      );
      file.push(...this.slabs.bytes(part.slab).subarray(part.start, part.start + part.length));
      Atomics.store(new Int32Array(this.slabs.flags), part.slab, 1);
    }
    this.files.set(session, file);
    for (let count = this.turns[(number + 1) % this.turns.length] ?? 0; count > 0; count--) await turn();
  }
}

function scratchFolder(): string {
  const folder = mkdtempSync(join(tmpdir(), "gantry-scratch-"));
  after(() => rmSync(folder, { recursive: true }));
  return folder;
}

/** Counts open and written uploads. */
class FakeSpace {
  opened = 0;
  openNow = 0;
  bytes = 0;
  readFails = false;

  constructor(readonly folder: string) {}

  readonly open = (): BoundedFile => {
    const file = openScratchFile(this.folder);
    this.opened++;
    this.openNow++;
    let written = 0;
    return {
      write: (bytes, position) => {
        file.write(bytes, position);
        this.bytes += bytes.length;
        written += bytes.length;
        return true;
      },
      read: (into, position) => {
        if (this.readFails) throw new Error("no such sector");
        return file.read(into, position);
      },
      close: () => {
        this.openNow--;
        this.bytes -= written;
        file.close();
      },
    };
  };
}

/** A sender that stops when paused, except for one chunk already on its way. */
class Sender implements Flow {
  paused = false;
  #resumed: () => void = () => {};

  constructor(
    readonly slabs: SlabPool,
    readonly space?: FakeSpace,
  ) {}

  hold(): HeldBytes {
    return new HeldBytes(this.slabs.overflow.account("somebody"), this.space?.open);
  }

  pause(): void {
    this.paused = true;
  }

  resume(): void {
    this.paused = false;
    this.#resumed();
  }

  async ready(): Promise<void> {
    while (this.paused) await new Promise<void>((resolve) => (this.#resumed = resolve));
  }
}

type Ending = "end" | "seal" | "abort";

interface Body {
  readonly chunks: readonly Uint8Array[];
  /** Whether the sender waits a turn after each chunk. */
  readonly slow: boolean;
  readonly ending: Ending;
}

const bodies: fc.Arbitrary<Body[]> = fc.array(
  fc.record({
    chunks: fc.array(fc.uint8Array({ minLength: 1, maxLength: 23 }), { maxLength: 8 }),
    slow: fc.boolean(),
    ending: fc.constantFrom<Ending>("end", "seal", "abort"),
  }),
  { minLength: 1, maxLength: 5 },
);

async function send(body: Body, workers: FakeWorkers): Promise<{ session: Session; failed: boolean }> {
  const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
  session.claim();
  const sender = new Sender(workers.slabs);
  const writer = new BodyWriter(session, workers.uploadOf(session), workers.slabs, sender);
  for (const chunk of body.chunks) {
    if (body.ending !== "abort") await sender.ready();
    const copy = chunk.slice();
    writer.write(copy);
    copy.fill(255); // the chunk is gone when write returns
    if (body.slow) await turn();
  }
  try {
    if (body.ending === "end") await writer.end();
    if (body.ending === "seal") await writer.seal(digest);
    if (body.ending === "abort") await writer.abort();
    return { session, failed: false };
  } catch (error) {
    assert.match(String(error), /the disk is gone/);
    await writer.abort();
    return { session, failed: true };
  }
}

const turns = fc.array(fc.nat({ max: 3 }), { minLength: 1, maxLength: 5 });

test("bodies arrive complete and in order in any pieces, and every slab is returned", async () => {
  await fc.assert(
    fc.asyncProperty(bodies, turns, fc.integer({ min: 1, max: 4 }), async (list, delays, slabs) => {
      const pool = new SlabPool({ slabBytes: 8, blockBytes: 4, overflowBytes: 1_000_000, slabs });
      const workers = new FakeWorkers(pool, delays);
      const results = await Promise.all(list.map((body) => send(body, workers)));
      for (const [place, { session }] of results.entries()) {
        const body = list[place];
        assert.ok(body !== undefined);
        const sent = body.chunks.flatMap((chunk) => [...chunk]);
        const stored = workers.files.get(session.id) ?? [];
        if (body.ending === "abort") assert.deepEqual(stored, sent.slice(0, stored.length));
        else assert.deepEqual(stored, sent);
        if (body.ending !== "seal") assert.equal(session.received, stored.length);
      }
      assert.equal(pool.lent, 0, "no slab is kept");
      assert.equal(pool.overflow.taken, 0, "no bytes are held any more");
      assert.equal(pool.listeners.size, 0, "no listener is left");
      assert.equal(pool.waiting, 0, "no waiter is left");
    }),
    { numRuns: 300 },
  );
});

test("if the storage fails, the sender resumes, the failure is reported, and every slab is returned", async () => {
  await fc.assert(
    fc.asyncProperty(bodies, turns, fc.nat({ max: 12 }), async (list, delays, failing) => {
      const pool = new SlabPool({ slabBytes: 8, blockBytes: 4, overflowBytes: 1_000_000, slabs: 2 });
      const workers = new FakeWorkers(pool, delays, failing);
      const results = await Promise.all(list.map((body) => send(body, workers)));
      for (const [place, { session, failed }] of results.entries()) {
        const sent = list[place]?.chunks.flatMap((chunk) => [...chunk]) ?? [];
        const stored = workers.files.get(session.id) ?? [];
        assert.deepEqual(stored, sent.slice(0, stored.length));
        if (!failed && list[place]?.ending === "end") assert.equal(stored.length, sent.length);
      }
      assert.equal(pool.lent, 0);
      assert.equal(pool.waiting, 0);
    }),
    { numRuns: 300 },
  );
});

test("small chunks of one turn are sent to the worker together", async () => {
  const pool = new SlabPool({ slabBytes: 64, blockBytes: 4, overflowBytes: 1_000_000, slabs: 2 });
  const workers = new FakeWorkers(pool, [0]);
  const chunks = Array.from({ length: 20 }, (_, value) => Uint8Array.of(value));
  await send({ chunks, slow: false, ending: "end" }, workers);
  assert.equal(workers.tasks, 1);
});

test("slabs that workers need no more are used again before their answers arrive", async () => {
  const pool = new SlabPool({ slabBytes: 8, blockBytes: 4, overflowBytes: 0, slabs: 8 });
  const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
  session.claim();
  const stored: number[] = [];
  const answers: (() => void)[] = [];
  const flags = new Int32Array(pool.flags);
  const writer = new BodyWriter(
    session,
    {
      ...new FakeWorkers(pool, [0]).uploadOf(session),
      append: ({ slab, start, length }) => {
        stored.push(...pool.bytes(slab).subarray(start, start + length));
        Atomics.store(flags, slab, 1);
        return new Promise((resolve) => answers.push(() => resolve(times)));
      },
    },
    pool,
    // Its overflow has no room, so that a byte that had to be held would fail the body.
    new Sender(pool),
    (error) => assert.fail(String(error)),
  );
  const sent = Array.from({ length: 100 * 8 }, (_, place) => place % 251);
  for (let start = 0; start < sent.length; start += 5)
    writer.write(Uint8Array.from(sent.slice(start, start + 5)));
  assert.equal(answers.length, 100);
  for (const answer of answers) answer();
  await writer.end();
  assert.deepEqual(stored, sent);
  assert.equal(session.received, sent.length);
  assert.equal(pool.lent, 0);
});

test("an idle body holds no slab", async () => {
  const pool = new SlabPool({ slabBytes: 64, blockBytes: 4, overflowBytes: 1_000_000, slabs: 2 });
  const workers = new FakeWorkers(pool, [0]);
  const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
  session.claim();
  const writer = new BodyWriter(session, workers.uploadOf(session), pool, new Sender(pool));
  writer.write(Uint8Array.of(1, 2, 3));
  assert.equal(pool.lent, 1);
  for (let count = 0; count < 10; count++) await turn();
  assert.equal(pool.lent, 0);
  assert.equal(session.received, 3);
  await writer.end();
});

test("a small body that closes its upload costs one task", async () => {
  const pool = new SlabPool({ slabBytes: 64, blockBytes: 4, overflowBytes: 1_000_000, slabs: 2 });
  const workers = new FakeWorkers(pool, [0]);
  await send({ chunks: [Uint8Array.of(1, 2, 3)], slow: false, ending: "seal" }, workers);
  assert.equal(workers.tasks, 1);
});

test("bytes that arrive without a free slab are held in bounded memory, and more of them fail the body", async () => {
  const pool = new SlabPool({ slabBytes: 8, blockBytes: 4, overflowBytes: 4096, slabs: 1 });
  const workers = new FakeWorkers(pool, [3]);
  const writers = Array.from({ length: 3 }, () => {
    const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
    session.claim();
    return new BodyWriter(session, workers.uploadOf(session), pool, new Sender(pool));
  });
  // Like uWebSockets.js with a read of one-byte chunks, whatever is paused.
  for (let count = 0; count < 5000; count++) for (const writer of writers) writer.write(Uint8Array.of(count));
  assert.ok(pool.overflow.taken <= 2048, "one client gets at most half of it");
  const ends = await Promise.allSettled(writers.map((writer) => writer.end()));
  for (const { status } of ends) assert.equal(status, "rejected");
  for (const { failure } of writers)
    assert.ok(failure instanceof TooManyRequests && failure.limit === "memory");
  assert.deepEqual([pool.lent, pool.waiting, pool.overflow.taken, pool.listeners.size], [0, 0, 0, 0]);
});

test("if much is held without a slab, silent senders pause until they get one, and none is forgotten", async () => {
  const pool = new SlabPool({ slabBytes: 8, blockBytes: 4, overflowBytes: 8192, slabs: 1 });
  const workers = new FakeWorkers(pool, [1]);
  const senders = Array.from({ length: 4 }, () => new Sender(pool));
  const [loud, ...silent] = senders.map((sender) => {
    const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
    session.claim();
    return new BodyWriter(session, workers.uploadOf(session), pool, sender);
  });
  loud?.write(new Uint8Array(2500));
  assert.ok(pool.pressed);
  assert.deepEqual(
    senders.map(({ paused }) => paused),
    [true, true, true, true],
  );
  await loud?.end();
  for (let count = 0; count < 20; count++) await turn();
  assert.deepEqual(
    senders.slice(1).map(({ paused }) => paused),
    [false, false, false],
  );
  for (const writer of silent) await writer.end();
  assert.deepEqual([pool.lent, pool.waiting, pool.overflow.taken, pool.listeners.size], [0, 0, 0, 0]);
});

test("bytes of an unstoppable sender go to a file when memory is full, and are read back unchanged", async () => {
  const pool = new SlabPool({ slabBytes: 4096, blockBytes: 4, overflowBytes: 32_768, slabs: 2 });
  const workers = new FakeWorkers(pool, [0, 2, 1]);
  const folder = scratchFolder();
  const space = new FakeSpace(folder);
  const sent: Buffer[] = [];
  const sessions = Array.from({ length: 2 }, (_, index) => {
    const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
    session.claim();
    const sender = new Sender(pool, space);
    const writer = new BodyWriter(session, workers.uploadOf(session), pool, sender);
    const bytes = randomBytes(700_000);
    sent.push(bytes);
    if (index === 0) {
      // Before there was a writer.
      const early = sender.hold();
      assert.ok(early.append(bytes.subarray(0, 300_000)));
      writer.adopt(early);
    }
    for (let at = index === 0 ? 300_000 : 0; at < bytes.length; at += 9_999)
      writer.write(bytes.subarray(at, at + 9_999));
    assert.ok(sender.paused);
    return { session, writer };
  });
  assert.equal(space.opened, 2);
  for (const [index, { session, writer }] of sessions.entries()) {
    await writer.end();
    assert.equal(writer.failure, undefined);
    assert.ok(sent[index]?.equals(Buffer.from(workers.files.get(session.id) ?? [])));
  }
  assert.deepEqual([pool.lent, pool.waiting, pool.overflow.taken], [0, 0, 0]);
  assert.deepEqual([space.openNow, space.bytes, readdirSync(folder)], [0, 0, []]);
});

test("a file that cannot be read back fails the body, and everything is released", async () => {
  const pool = new SlabPool({ slabBytes: 4096, blockBytes: 4, overflowBytes: 8192, slabs: 1 });
  const workers = new FakeWorkers(pool, [1]);
  const space = new FakeSpace(scratchFolder());
  space.readFails = true;
  const session = new Session(newSessionId(), { ...upload, createdAt: 0 });
  session.claim();
  const writer = new BodyWriter(session, workers.uploadOf(session), pool, new Sender(pool, space));
  for (let count = 0; count < 50; count++) writer.write(randomBytes(4096));
  await assert.rejects(writer.end(), /no such sector/);
  assert.deepEqual(
    [pool.lent, pool.waiting, pool.overflow.taken, space.openNow, space.bytes],
    [0, 0, 0, 0, 0],
  );
});
