// What a store holds, read without its server, to compare two stores.

import type { RepositoryName } from "../../src/domain/repository-name.js";
import { openReadableFolder } from "../../src/storage/filesystem/read.js";
import type { ReadableStore } from "../../src/storage/readable-store.js";
import { fixedCredentials } from "../../src/storage/s3/credentials.js";
import { openReadableBucket } from "../../src/storage/s3/read.js";
import type { S3Server } from "./s3-server.js";

export interface TagState {
  readonly digest: string | undefined;
  /** In seconds since the epoch, because object stores tell no fractions. */
  readonly pushedAt: number | undefined;
  readonly pulledAt: number | undefined;
}

export interface RepositoryState {
  readonly manifests: readonly string[];
  readonly blobs: readonly string[];
  readonly tags: Readonly<Record<string, TagState>>;
}

export type StoreState = Readonly<Record<string, RepositoryState>>;

export async function stateOfFolder(rootDirectory: string): Promise<StoreState> {
  const throwIt = (error: unknown) => {
    throw error;
  };
  return stateOf(await openReadableFolder({ rootDirectory, onStray: () => {}, onError: throwIt }));
}

/** `prefix` is empty or ends in a slash. */
export async function stateOfBucket(server: S3Server, prefix = ""): Promise<StoreState> {
  const { place, limits } = server.client(prefix).requests;
  const credentials = fixedCredentials({ accessKeyId: server.accessKey, secretAccessKey: server.secretKey });
  return stateOf(await openReadableBucket({ place, limits, credentials, onStray: () => {} }));
}

async function stateOf(store: ReadableStore): Promise<StoreState> {
  const state: Record<string, RepositoryState> = {};
  try {
    for await (const name of store.repositories.all()) {
      // One with blobs only has no place for tags.
      const tags = (await store.tags.list(name)) === undefined ? {} : await tagsOf(store, name);
      const manifests = (await store.manifests.list(name)).sort();
      state[name] = { manifests, blobs: (await store.blobs.list(name)).sort(), tags };
    }
  } finally {
    await store.close();
  }
  return state;
}

async function tagsOf(store: ReadableStore, name: RepositoryName): Promise<RepositoryState["tags"]> {
  const tags: Record<string, TagState> = {};
  for await (const { tag, digest } of store.tags.targets(name))
    tags[tag] = { digest, pushedAt: undefined, pulledAt: undefined };
  for await (const { tag, times } of store.tags.times(name))
    tags[tag] = {
      digest: tags[tag]?.digest,
      pushedAt: seconds(times?.pushedAt),
      pulledAt: seconds(times?.pulledAt),
    };
  return tags;
}

function seconds(at: number | undefined): number | undefined {
  return at === undefined ? undefined : Math.floor(at / 1000);
}
