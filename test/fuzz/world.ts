// The fuzzed server: with logins, and a policy under which the fuzz may read a little and write nothing.

import assert from "node:assert/strict";
import { type KeyObject, randomUUID } from "node:crypto";
import { Client } from "../support/client.js";
import { blobOf, descriptorOf, type Image, manifestOf, types } from "../support/content.js";
import { type Gantry, startGantry } from "../support/gantry.js";
import { ecKeys } from "../support/jwt.js";
import { basic, bearer, LoginFiles, tokenFor } from "../support/login.js";
import { eventually } from "../support/store.js";

/** Contained in everything that only the owner may see, including names. */
export const secretMark = "secret";
/** Contained in everything that needs the reader's credentials. */
export const sharedMark = "shared";

export const repositories = ["public/image", `${sharedMark}/image`, `${secretMark}/image`] as const;
export const reader = { name: "reader", password: "a reader's password" } as const;
const owner = { name: "owner", password: "an owner's password" } as const;

const policy = `rules:
  - { repositories: "public/**", anonymous: true, allow: pull }
  - { repositories: "${sharedMark}/**", users: ${reader.name}, allow: pull }
  - { repositories: "**", users: ${owner.name}, allow: [pull, push, delete] }
`;

export interface World {
  readonly gantry: Gantry;
  /** Digests of all stored content, for requests. */
  readonly digests: readonly string[];
  /** Tokens issued by the server. */
  readonly tokens: {
    readonly anonymous: string;
    readonly reader: string;
    /** Of an admin, for nothing at all. */
    readonly empty: string;
    /** Of an admin whose user has been removed. */
    readonly revoked: string;
  };
  /** An untrusted key. */
  readonly strangersKey: KeyObject;
}

/** Call it before the file's first test. */
export async function makeWorld(): Promise<World> {
  const files = await LoginFiles.make();
  const gone = { name: "gone", password: "a password of one who is gone" } as const;
  const users = { [reader.name]: reader.password, [owner.name]: owner.password };
  await files.users({ ...users, [gone.name]: gone.password });
  await files.policy(policy);
  const gantry = await startGantry({
    ...files.settings,
    // The test is about guessing, not about its rate limit.
    REGISTRY_LIMITS_LOGINS_FAILURES: "10000000",
    // It writes a file into the store periodically.
    REGISTRY_HEALTH_STORAGEDRIVER_ENABLED: "false",
  });
  const client = new Client(gantry.url);
  const as = ({ name, password }: { readonly name: string; readonly password: string }) =>
    basic(name, password);
  const digests: string[] = [];
  for (const name of repositories) {
    const made = markedImage(name);
    const headers = as(owner);
    for (const { bytes, digest } of made.blobs) {
      await client.request("POST", `/v2/${name}/blobs/uploads/?digest=${digest}`, { headers, body: bytes });
    }
    const typed = { ...headers, "Content-Type": made.mediaType };
    const path = `/v2/${name}/manifests/latest`;
    const answer = await client.request("PUT", path, { headers: typed, body: made.bytes });
    assert.equal(answer.status, 201, answer.body.toString());
    digests.push(made.digest, ...made.blobs.map(({ digest }) => digest));
  }
  const tokens = {
    anonymous: await tokenFor(client, {}, `repository:${repositories[0]}:pull`),
    reader: await tokenFor(client, as(reader), ...repositories.map((name) => `repository:${name}:*`)),
    empty: await tokenFor(client, as(owner)),
    revoked: await tokenFor(client, as(gone), ...repositories.map((name) => `repository:${name}:*`)),
  };
  await files.users(users);
  const revoked = async () =>
    (await client.get("/v2/", bearer(tokens.revoked))).status === 401 ? true : undefined;
  await eventually("the user is removed", revoked, 10_000);
  return { gantry, digests, tokens, strangersKey: ecKeys().privateKey };
}

/** An image with parts that all identify its owner. */
function markedImage(name: string): Image {
  const config = blobOf(JSON.stringify({ name, id: randomUUID() }));
  const { config: mediaType } = types;
  const annotations = { name };
  return manifestOf(
    {
      schemaVersion: 2,
      mediaType: types.manifest,
      config: descriptorOf(config, mediaType),
      layers: [],
      annotations,
    },
    [config],
  );
}
