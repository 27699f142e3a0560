// One client of the mix: draws and performs operations until the server is gone. The choice depends on its seed alone, never
// on responses, so that a seed repeats the plan.

import { setTimeout as pause } from "node:timers/promises";
import type { Blob } from "../support/content.js";
import { Random } from "./random.js";
import { Gone, type Requests } from "./requests.js";
import type { OpenSession } from "./sessions.js";
import type { PushedManifest } from "./universe.js";

const operations = {
  pushBlob: 28,
  pushImage: 30,
  mount: 8,
  moveTag: 12,
  pull: 6,
  leaveUpload: 6,
  cancelUpload: 2,
  deleteTag: 4,
  deleteManifest: 3,
  deleteBlob: 3,
} as const;

const ways = { post: 30, put: 10, streamed: 25, slowly: 5, ranged: 15, rangedToTheEnd: 15 } as const;

/** A client that got no answer does not ask again at once. */
const refusedMilliseconds = 50;

export async function runClient(label: string, requests: Requests): Promise<void> {
  const random = new Random(label);
  while (!requests.life.over) {
    try {
      await operate(random, requests);
    } catch (error) {
      if (!(error instanceof Gone)) throw error;
      if (requests.life.mayFail !== true) return;
      await pause(refusedMilliseconds);
    }
  }
}

/** Draws all random values first: a refused client draws as many as a successful one. */
async function operate(random: Random, requests: Requests): Promise<void> {
  const { universe } = requests;
  const [name, other] = [random.pick(universe.names), random.pick(universe.names)];
  const [blob, tag] = [random.pick(universe.blobs), random.pick(universe.tags)];
  const manifest = random.pick(universe.manifests);
  const tagged = random.chance(0.6);
  const way = random.pickWeighted(ways);
  const cuts = [random.next(), random.next()].sort();
  switch (random.pickWeighted(operations)) {
    case "pushBlob":
      return pushBlob(requests, name, blob, way, cuts);
    case "pushImage":
      return pushManifest(requests, name, manifest, {
        tag: tagged ? tag : undefined,
        from: other,
        way,
        cuts,
      });
    case "mount":
      return void (await requests.mount(name, blob, tagged ? other : undefined));
    case "moveTag":
      return void (await requests.putManifest(name, manifest, tag));
    case "pull":
      return pull(requests, name, blob, manifest, tag);
    case "leaveUpload":
      return void (await upload(requests, name, blob, way, cuts));
    case "cancelUpload":
      return requests.cancel(await upload(requests, name, blob, way, cuts));
    case "deleteTag":
      return void (await requests.deleteTag(name, tag));
    case "deleteManifest":
      return void (await requests.deleteManifest(name, manifest.digest));
    case "deleteBlob":
      return void (await requests.deleteBlob(name, blob.digest));
  }
}

type Way = keyof typeof ways;

async function pushBlob(
  requests: Requests,
  name: string,
  blob: Blob,
  way: Way,
  cuts: readonly number[],
): Promise<void> {
  if (way === "post") return requests.postBlob(name, blob);
  const session = await requests.open(name, blob);
  if (way === "streamed" || way === "slowly") await requests.patch(session, blob.bytes.length, way);
  if (way === "ranged" || way === "rangedToTheEnd") {
    await patchInRanges(requests, session, way === "ranged" ? [...cuts, 1] : cuts);
  }
  await requests.close(session);
}

/** Never one byte: a session's status "0-0" could not distinguish it from none. */
function endAt(blob: Blob, cut: number): number {
  return Math.max(2, Math.ceil(blob.bytes.length * cut));
}

/** Up to the fractions of the blob in `cuts`. */
async function patchInRanges(
  requests: Requests,
  session: OpenSession,
  cuts: readonly number[],
): Promise<void> {
  for (const cut of cuts) {
    const end = endAt(session.blob, cut);
    if (end > session.acknowledged) await requests.patch(session, end, "ranged");
  }
}

/** An upload that stays open. */
async function upload(
  requests: Requests,
  name: string,
  blob: Blob,
  way: Way,
  cuts: readonly number[],
): Promise<OpenSession> {
  const session = await requests.open(name, blob);
  const [cut = 1] = cuts;
  if (way === "streamed" || way === "slowly") await requests.patch(session, endAt(blob, cut), way);
  else if (way !== "post") await patchInRanges(requests, session, cuts);
  return session;
}

interface ManifestPush {
  readonly tag: string | undefined;
  readonly from: string;
  readonly way: Way;
  readonly cuts: readonly number[];
}

/** Like clients: checks each blob, mounts or pushes missing ones, and finally pushes the manifest. */
async function pushManifest(
  requests: Requests,
  name: string,
  manifest: PushedManifest,
  push: ManifestPush,
): Promise<void> {
  for (const child of manifest.children)
    await pushManifest(requests, name, child, { ...push, tag: undefined });
  await Promise.all(
    [...new Set(manifest.blobs)].map(async (blob, index) => {
      const { status } = await requests.send("HEAD", `/v2/${name}/blobs/${blob.digest}`);
      if (status === 200) return;
      if (index % 2 === 1 && (await requests.mount(name, blob, push.from))) return;
      await pushBlob(requests, name, blob, push.way, push.cuts);
    }),
  );
  await requests.putManifest(name, manifest, push.tag);
}

/** Fills the caches with what it pulls, and checks that it is complete. */
async function pull(
  requests: Requests,
  name: string,
  blob: Blob,
  manifest: PushedManifest,
  tag: string,
): Promise<void> {
  const expect = async (path: string, bytes: Buffer) => {
    const { status, body } = await requests.send("GET", `/v2/${name}/${path}`);
    if (status === 404 || (status === 200 && body.equals(bytes)) || requests.mayGet(status)) return;
    requests.violations.add(`GET ${path} of ${name} got ${status} with ${body.length} bytes`);
  };
  await expect(`blobs/${blob.digest}`, blob.bytes);
  await expect(`manifests/${manifest.digest}`, manifest.bytes);
  const { status, body } = await requests.send("GET", `/v2/${name}/manifests/${tag}`);
  const known = requests.universe.manifests.some(({ bytes }) => bytes.equals(body));
  if (status !== 404 && !(status === 200 && known) && !requests.mayGet(status))
    requests.violations.add(`GET ${name}:${tag} got ${status} with ${body.length} bytes`);
}
