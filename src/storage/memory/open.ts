/**
 * A storage in memory: the shortest that keeps the promises of the port. Tests use it if the disk is not their subject. Its
 * size is not bounded.
 */
import type { SlabPool } from "../../lib/slab-pool.js";
import type { NoteStore, RobotStore, SecretStore, Storage } from "../storage.js";
import { MemoryBlobs } from "./blobs.js";
import { MemoryManifests } from "./manifests.js";
import { MemoryData } from "./memory-data.js";
import { MemoryReferrers } from "./referrers.js";
import { MemoryRepositories } from "./repositories.js";
import { MemoryHistory } from "./tag-history.js";
import { MemoryTags } from "./tags.js";
import { MemoryUploads } from "./uploads.js";

/** `slabs` is the memory through which uploads pass. */
export function openMemoryStorage(slabs: SlabPool, data = new MemoryData()): Storage {
  const fresh = !data.used;
  data.used = true;
  const blobs = new MemoryBlobs(data);
  return {
    fresh,
    readOnly: false,
    blobs,
    manifests: new MemoryManifests(data),
    tags: new MemoryTags(data),
    history: new MemoryHistory(data),
    referrers: new MemoryReferrers(data),
    repositories: new MemoryRepositories(data),
    uploads: new MemoryUploads({ slabs, data, blobs }),
    notes: notesOf(data),
    secrets: secretsOf(data),
    robots: robotsOf(data),
    volume: { probe: async () => {}, space: async () => undefined },
    measures: {
      syncs: {},
      lookups: {},
      get contents() {
        const all = data.allContents();
        return { contents: all.length, bytes: all.reduce((sum, { size }) => sum + size, 0) };
      },
    },
    workers: { answer: async () => {}, tasks: 0, done: nothingDone },
    close: async () => {},
  };
}

/** There are no workers whose work could be counted. */
const nothingDone = {
  tasks: {},
  waitedSeconds: 0,
  hashed: { bytes: 0, seconds: 0 },
  written: { bytes: 0, seconds: 0 },
  reread: { bytes: 0, seconds: 0 },
  busySeconds: 0,
};

function notesOf({ notes }: MemoryData): NoteStore {
  return {
    read: async (name) => notes.get(name),
    take: async (name) => {
      const note = notes.get(name);
      notes.delete(name);
      return note;
    },
    put: async (name, bytes) => void notes.set(name, Buffer.from(bytes)),
  };
}

function secretsOf({ secrets }: MemoryData): SecretStore {
  return {
    secret: async (name, make) => {
      const secret = secrets.get(name) ?? Buffer.from(make());
      secrets.set(name, secret);
      return secret;
    },
  };
}

function robotsOf({ robots }: MemoryData): RobotStore {
  return {
    all: async function* () {
      yield* robots.values();
    },
    put: async (robot) => void robots.set(robot.name, structuredClone(robot)),
    remove: async (name) => robots.delete(name),
  };
}
