/**
 * Tags: each an object that names its manifest. The object's time is that of the last push, unless the tag comes from another
 * store and says when it was pushed there.
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Digest } from "../../domain/digest.js";
import { holds } from "../../domain/precondition.js";
import { isTag, type Tag } from "../../domain/reference.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import type { TagNote } from "../../domain/tag-history.js";
import { foundInOrder } from "../../lib/in-order.js";
import { allEnded } from "../../lib/in-parallel.js";
import type { PointCondition, PointResult, TagPush, TagStore, TagTarget, TimedTag } from "../storage.js";
import { nonce, type S3Client } from "./client.js";
import { isFull, overtaken } from "./failure.js";
import { keys } from "./keys.js";
import { isInCatalog } from "./repositories.js";
import { jsonObject, recordsAtOnce, type StoredRecords } from "./stored-records.js";
import type { S3History } from "./tag-history.js";
import { hasOwnTime, parsePointer, pointerBytes } from "./tag-pointer.js";

/** Of several who compare and move one tag, one succeeds in each round. */
const roundsMax = 32;

/** Pause between two rounds. */
const pauseMillisecondsMax = 20;

export class S3Tags implements TagStore {
  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
    readonly history: Pick<S3History, "add" | "remove">,
  ) {}

  #read(name: RepositoryName, tag: Tag) {
    return this.records.find(keys.tag(name, tag), (bytes) => parsePointer(bytes)?.digest);
  }

  async resolve(name: RepositoryName, tag: Tag): Promise<Digest | undefined> {
    return (await this.#read(name, tag))?.value;
  }

  async inspect(name: RepositoryName, tag: Tag): Promise<TagTarget | undefined> {
    const found = await this.#read(name, tag);
    if (found === undefined) return undefined;
    return found.value === undefined ? { tag } : { tag, digest: found.value };
  }

  /** A tag is one object, so a crash leaves nothing beside it. */
  async mend(): Promise<void> {}

  async point(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    condition: PointCondition,
    push: TagPush = {},
  ): Promise<PointResult> {
    if (!condition.movable || condition.precondition !== undefined)
      return this.#pointIf(name, tag, digest, condition, push);
    const { bytes, addEntry } = this.#change(name, tag, digest, push);
    // Of a tag that could not be written, an entry may remain: to the client, both are unsure.
    await allEnded([this.client.put(keys.tag(name, tag), bytes), addEntry()]);
    return "pointed";
  }

  /** A tag's new object, and its entry in the tag's history. Both have one nonce. */
  #change(name: RepositoryName, tag: Tag, digest: Digest, { pushedAt, note }: TagPush) {
    const one = nonce();
    const bytes = pointerBytes({ digest, ...(pushedAt !== undefined && { pushedAt }), nonce: one });
    const addEntry = async () => {
      if (note !== undefined) await this.history.add(name, tag, { kind: "pointed", digest }, one, note);
    };
    return { bytes, addEntry };
  }

  async #pointIf(
    name: RepositoryName,
    tag: Tag,
    digest: Digest,
    condition: PointCondition,
    push: TagPush,
  ): Promise<PointResult> {
    const key = keys.tag(name, tag);
    for (let round = 1; round <= roundsMax; round++) {
      const found = await this.#read(name, tag);
      const refusal = refusalOf(condition, found?.value, digest);
      if (refusal !== undefined) return refusal;
      // Another caller has pointed it to the same manifest since the last round, so the time is right, too.
      if (round > 1 && found?.value === digest) return "pointed";
      const unchanged = found === undefined ? ({ ifNoneMatch: "*" } as const) : { ifMatch: found.etag };
      const { bytes, addEntry } = this.#change(name, tag, digest, push);
      if ((await this.client.put(key, bytes, unchanged)) !== undefined) {
        if (found?.value !== digest) await addEntry();
        return "pointed";
      }
      await sleep(Math.random() * pauseMillisecondsMax);
    }
    throw overtaken(`the tag ${tag} in ${name}`);
  }

  async *targets(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TagTarget> {
    yield* foundInOrder(tags ?? this.#all(name), recordsAtOnce, (tag) => this.inspect(name, tag));
  }

  async *times(name: RepositoryName, tags?: readonly Tag[]): AsyncIterable<TimedTag> {
    if (tags === undefined) yield* this.#allTimes(name);
    else
      yield* foundInOrder(tags, recordsAtOnce / 2, async (tag) => {
        const [found, pulledAt] = await Promise.all([
          this.client.head(keys.tag(name, tag)),
          this.#pulledAt(name, tag),
        ]);
        if (found === undefined) return undefined;
        return { tag, times: { pushedAt: await this.#pushedAt(name, tag, found), pulledAt } };
      });
  }

  /** The listing has the times of the pushes. Only tags that were pulled need a request of their own. */
  async *#allTimes(name: RepositoryName): AsyncIterable<TimedTag> {
    const pulled = new Set<Tag>();
    for await (const { name: tag } of this.records.names(keys.pulls(name), isTag)) pulled.add(tag);
    const all = this.records.names(keys.tags(name), isTag);
    yield* foundInOrder(all, recordsAtOnce, async (found) => {
      const { name: tag } = found;
      const pulledAt = pulled.has(tag) ? await this.#pulledAt(name, tag) : undefined;
      return { tag, times: { pushedAt: await this.#pushedAt(name, tag, found), pulledAt } };
    });
  }

  /** The object's size tells that it has a time of its own. */
  async #pushedAt(
    name: RepositoryName,
    tag: Tag,
    { size, modifiedAt }: { readonly size: number; readonly modifiedAt: number },
  ): Promise<number> {
    if (hasOwnTime(size)) return modifiedAt;
    return (await this.records.find(keys.tag(name, tag), parsePointer))?.value?.pushedAt ?? modifiedAt;
  }

  #pulledAt(name: RepositoryName, tag: Tag): Promise<number | undefined> {
    return this.records.read(keys.pull(name, tag), parsePull);
  }

  async setPulledAt(name: RepositoryName, tag: Tag, at: number): Promise<void> {
    if ((await this.client.head(keys.tag(name, tag))) === undefined) return;
    await this.client.put(keys.pull(name, tag), Buffer.from(JSON.stringify({ at })));
  }

  async remove(name: RepositoryName, tag: Tag, note?: TagNote): Promise<boolean> {
    const found = await this.#read(name, tag);
    if (found === undefined) return false;
    if (note === undefined) await this.history.remove(name, tag);
    else await this.#noteRemoval(name, tag, found.value, note);
    // A new tag of this name has not been pulled.
    await this.client.delete(keys.pull(name, tag));
    await this.client.delete(keys.tag(name, tag));
    return true;
  }

  async #noteRemoval(
    name: RepositoryName,
    tag: Tag,
    digest: Digest | undefined,
    note: TagNote,
  ): Promise<void> {
    const change = { kind: "removed", ...(digest !== undefined && { digest }) } as const;
    try {
      await this.history.add(name, tag, change, nonce(), note);
    } catch (error) {
      // Removals are how an operator makes room.
      if (!isFull(error)) throw error;
      this.records.onStray(
        keys.historyOf(name, tag),
        "the store is full, so the removal of the tag gets no entry",
      );
    }
  }

  async list(name: RepositoryName): Promise<Tag[] | undefined> {
    const tags: Tag[] = [];
    for await (const tag of this.#all(name)) tags.push(tag);
    return tags.length > 0 || (await isInCatalog(this.client, name)) ? tags.sort() : undefined;
  }

  async *#all(name: RepositoryName): AsyncIterable<Tag> {
    for await (const { name: tag } of this.records.names(keys.tags(name), isTag)) yield tag;
  }
}

function refusalOf(
  { movable, precondition }: PointCondition,
  current: Digest | undefined,
  wanted: Digest,
): Exclude<PointResult, "pointed"> | undefined {
  if (precondition !== undefined && !holds(precondition, current, wanted)) return "precondition-failed";
  return movable || current === undefined || current === wanted ? undefined : "immovable";
}

function parsePull(bytes: Buffer): number | undefined {
  const at = jsonObject(bytes)?.at;
  return typeof at === "number" ? at : undefined;
}
