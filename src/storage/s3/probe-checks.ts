/** The tests of a store, each with the sentence that an operator reads. */
import { randomBytes } from "node:crypto";
import { type Condition, nonce, type S3Client } from "./client.js";

export interface Check {
  readonly what: string;
  /** What a store has shown that passes. */
  readonly fine: string;
  /** Whether the driver can do without it. */
  readonly isOptional?: true;
  /** Resolves with the fault, if there is one. `key` names the test's object, with a suffix one more. */
  readonly run: (client: S3Client, key: (suffix?: string) => string) => Promise<string | undefined>;
}

/** As many as the nodes and workers that may write one object at the same moment in a large installation. */
const writers = 16;
const oneOfAll = `one of ${writers} concurrent writers succeeded`;

/** A store's clock decides how old a lock and a content are. Requests are only valid for 15 minutes anyway. */
const clockSecondsMax = 60;

export const reach: Check = {
  what: "reach the bucket",
  fine: "it can be listed",
  run: async (client) => {
    for await (const _ of client.list("", "", 1)) break;
    return undefined;
  },
};

export const writeAndRead: Check = {
  what: "read, list and remove an object at once after the write",
  fine: "each answer had the last state",
  run: async (client, key) => {
    const name = key();
    const bytes = randomBytes(100);
    const written = await client.put(name, bytes);
    const found = await client.get(name);
    if (!found?.bytes.equals(bytes)) return "a new object was not found, or with other bytes";
    if (found.etag !== written?.etag) return "the write and the read had different ETags";
    const { answeredAt, modifiedAt } = found;
    if (!(Math.abs(answeredAt - modifiedAt) < clockSecondsMax * 1000))
      return "Date and Last-Modified are missing, or differ by more than a minute";
    if (!(await lists(client, name))) return "a new object was not listed";
    const replaced = randomBytes(100);
    await client.put(name, replaced);
    if (!(await client.get(name))?.bytes.equals(replaced)) return "an old version was read after a write";
    await client.delete(name);
    if ((await client.get(name)) !== undefined) return "a removed object was read";
    return (await lists(client, name)) ? "a removed object was listed" : undefined;
  },
};

async function lists(client: S3Client, key: string): Promise<boolean> {
  for await (const { key: found } of client.list(key, "", 1)) if (found === key) return true;
  return false;
}

const creation: Check = {
  what: "If-None-Match: * when a new object is written",
  fine: oneOfAll,
  run: async (client, key) => {
    const name = key();
    const fault = await race(client, name, { ifNoneMatch: "*" });
    return fault ?? refuses(client, name, { ifNoneMatch: "*" });
  },
};

const replacement: Check = {
  what: "If-Match when an object is replaced",
  fine: oneOfAll,
  run: async (client, key) => {
    const name = key();
    const missing = await client.put(key("-missing"), Buffer.from(nonce()), {
      ifMatch: '"0123456789abcdef"',
    });
    if (missing !== undefined) return "an object that does not exist was written";
    const first = await client.put(name, Buffer.from(nonce()));
    if (first === undefined || first.etag === "") return "the store sent no ETag";
    const fault = await race(client, name, { ifMatch: first.etag });
    return fault ?? refuses(client, name, { ifMatch: first.etag });
  },
};

/** Writes from several connections at once. */
async function race(client: S3Client, key: string, condition: Condition): Promise<string | undefined> {
  const bodies = Array.from({ length: writers }, () => Buffer.from(nonce()));
  // Opens the connections, so that the writes begin together.
  await Promise.all(bodies.map(() => client.head(key)));
  const written = await Promise.all(bodies.map((body) => client.put(key, body, condition)));
  const winners = bodies.filter((_, index) => written[index] !== undefined);
  const [winner] = winners;
  if (winner === undefined) return `none of ${writers} concurrent writers succeeded`;
  if (winners.length > 1)
    return `${winners.length} of ${writers} concurrent writers succeeded, so the store does not honour the condition`;
  const found = await client.get(key);
  return found?.bytes.equals(winner) ? undefined : "the object is not that of the writer who succeeded";
}

/** Writes once more, when the condition is not met. */
async function refuses(client: S3Client, key: string, condition: Condition): Promise<string | undefined> {
  const before = await client.get(key);
  const written = await client.put(key, Buffer.from(nonce()), condition);
  if (written !== undefined) return "a write whose condition was not met succeeded";
  const after = await client.get(key);
  if (before === undefined || after === undefined || !after.bytes.equals(before.bytes))
    return "a refused write has changed the object";
  return undefined;
}

export const conditionedRemoval: Check = {
  what: "If-Match when an object is removed",
  fine: "a removal of another version was refused",
  isOptional: true,
  run: async (client, key) => {
    const name = key();
    const old = await client.put(name, Buffer.from(nonce()));
    const current = await client.put(name, Buffer.from(nonce()));
    await client.delete(name, old?.etag);
    if ((await client.head(name)) === undefined)
      return "the condition is ignored; garbage collection keeps small remains of removed blobs";
    await client.delete(name, current?.etag);
    if ((await client.head(name)) !== undefined) return "a removal whose condition was met was refused";
    return undefined;
  },
};

const notes: Check = {
  what: "keep metadata of an object",
  fine: "it was read with the object",
  run: async (client, key) => {
    const note = nonce();
    await client.write(key(), Buffer.from(nonce()), { condition: { ifNoneMatch: "*" }, note });
    return (await client.get(key()))?.note === note ? undefined : "the metadata was missing or changed";
  },
};

const order: Check = {
  what: "list in ASCII order, by folders, from any key",
  fine: "pages of any size had the same order",
  run: async (client, key) => {
    const root = key();
    const folders = ["!/", "(b!/", "*b!/", "0!/", "_!/", "a!/"].map((end) => `${root}${end}`);
    const objects = ["!/x", "(b!/x", "*b!/x", "0!/x", "_!/x", "a!/x"].map((end) => key(end));
    await Promise.all(objects.map((each) => client.put(each, Buffer.from("x"))));
    for (const pageSize of [1, 1000]) {
      const found = {
        objects: await all(client.list(root, "", pageSize), ({ key: each }) => each),
        folders: await all(client.listFolders(root, "", pageSize), (each) => each),
        later: await all(client.listFolders(root, folders[1], pageSize), (each) => each),
      };
      const wanted = { objects, folders, later: folders.slice(2) };
      for (const kind of ["objects", "folders", "later"] as const)
        if (found[kind].join() !== wanted[kind].join())
          return `in pages of ${pageSize}, the order or the number of ${kind} was wrong`;
    }
    return undefined;
  },
};

async function all<T>(items: AsyncIterable<T>, name: (item: T) => string): Promise<string[]> {
  const names: string[] = [];
  for await (const item of items) names.push(name(item));
  return names;
}

const ranges: Check = {
  what: "read ranges",
  fine: "each had its bytes",
  run: async (client, key) => {
    const name = key();
    const bytes = randomBytes(1000);
    await client.put(name, bytes);
    for (const [position, length] of [
      [0, 1000],
      [300, 500],
      [900, 500],
      [1000, 10],
    ] as const) {
      const into = Buffer.alloc(length);
      const count = await client.read(name, into, position);
      const wanted = bytes.subarray(position, position + length);
      if (count !== wanted.length || !into.subarray(0, count).equals(wanted))
        return `${length} bytes from ${position} on were wrong`;
    }
    return undefined;
  },
};

const multipart: Check = {
  what: "upload in parts with checksums",
  fine: "the parts became one object",
  run: async (client, key) => {
    const name = key();
    // S3 allows a small part at the end only.
    const parts = [Buffer.alloc(5 * 1024 * 1024, "part"), randomBytes(1000)];
    const upload = await client.createMultipart(name);
    try {
      const [first, second] = parts as [Buffer, Buffer];
      const sent = await Promise.all([
        client.putPart(name, upload, 1, first),
        client.putPart(name, upload, 2, second),
      ]);
      const size = first.length + second.length;
      const etag = await client.completeMultipart(name, upload, sent, size);
      const found = await client.head(name);
      if (found?.size !== size) return "the object has another size than its parts";
      if (found.etag !== etag) return "the completed upload and the object had different ETags";
      const tail = Buffer.alloc(second.length);
      await client.read(name, tail, first.length);
      return tail.equals(second) ? undefined : "the object has other bytes than its parts";
    } catch (error) {
      await client.abortMultipart(name, upload);
      throw error;
    }
  },
};

const checksums: Check = {
  what: "compare checksums",
  fine: "an object with a wrong checksum was refused",
  isOptional: true,
  run: async (client, key) => {
    const { status } = await client.requests.send({
      method: "PUT",
      key: key(),
      headers: {
        ...client.requests.place.objectHeaders,
        "x-amz-checksum-sha256": Buffer.alloc(32).toString("base64"),
      },
      body: Buffer.from(nonce()),
      expected: [200, 400, 403, 412],
    });
    return status === 200
      ? "a wrong checksum was accepted, so that damage on the way to the store is not noticed"
      : undefined;
  },
};

/** What a node relies on from its first request on. */
export const shortChecks: readonly Check[] = [creation, replacement, notes, order, conditionedRemoval];

/** After `writeAndRead`. */
export const fullChecks: readonly Check[] = [
  creation,
  replacement,
  conditionedRemoval,
  notes,
  order,
  ranges,
  multipart,
  checksums,
];
