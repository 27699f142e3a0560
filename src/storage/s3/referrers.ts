/** Referrers: for each a small object, its descriptor as listed by the API, below the subject's digest. */
import { type Digest, isDigest } from "../../domain/digest.js";
import type { RepositoryName } from "../../domain/repository-name.js";
import { foundInOrder } from "../../lib/in-order.js";
import { parseReferrer } from "../referrer-entry.js";
import type { Referrer, ReferrerStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys } from "./keys.js";
import type { StoredRecords } from "./stored-records.js";

/** Entries that are read ahead of the consumer, who may want a few only. */
const entriesAhead = 8;

export class S3Referrers implements ReferrerStore {
  constructor(
    readonly client: S3Client,
    readonly records: StoredRecords,
  ) {}

  async add(name: RepositoryName, subject: Digest, referrer: Referrer): Promise<void> {
    const entry = Buffer.from(JSON.stringify(referrer));
    await this.client.put(keys.referrer(name, subject, referrer.digest), entry);
  }

  async remove(name: RepositoryName, subject: Digest, referrer: Digest): Promise<void> {
    await this.client.delete(keys.referrer(name, subject, referrer));
  }

  async *list(name: RepositoryName, subject: Digest, after?: Digest): AsyncIterable<Referrer> {
    const entries = this.records.names(keys.referrersOf(name, subject), isDigest, after);
    yield* foundInOrder(entries, entriesAhead, ({ name: digest }) => this.find(name, subject, digest));
  }

  async has(name: RepositoryName, subject: Digest, referrer: Digest): Promise<boolean> {
    return (await this.client.head(keys.referrer(name, subject, referrer))) !== undefined;
  }

  find(name: RepositoryName, subject: Digest, digest: Digest): Promise<Referrer | undefined> {
    return this.records.read(keys.referrer(name, subject, digest), (bytes) => {
      const referrer = parseReferrer(bytes);
      return referrer?.digest === digest ? referrer : undefined;
    });
  }

  async *all(name: RepositoryName): AsyncIterable<{ subject: Digest; referrer: Digest }> {
    for await (const { name: pair } of this.records.names(keys.referrers(name), isPair)) {
      const [subject, referrer] = pair.split("/") as [Digest, Digest];
      yield { subject, referrer };
    }
  }
}

type Pair = `${Digest}/${Digest}`;

function isPair(text: string): text is Pair {
  const [subject = "", referrer = "", ...others] = text.split("/");
  return isDigest(subject) && isDigest(referrer) && others.length === 0;
}
