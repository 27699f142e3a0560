/** The records of nodes that work without their engine, each an object. Its time is that of the last renewal. */
import type { NodeRecords } from "../node-records.js";
import { nonce, type S3Client } from "./client.js";
import { keys } from "./keys.js";

/** Names of nodes, in a key. */
const nodePattern = /^[0-9a-f]{1,64}$/;

/** Both times of the store are of whole seconds, and may be of two of its machines. */
const clockMilliseconds = 5_000;

/** A write whose client has given up lands earlier, and a node that lives has renewed its record. */
const removedAfterMilliseconds = 24 * 3600 * 1000;

export class S3NodeRecords implements NodeRecords {
  constructor(readonly client: S3Client) {}

  async renew(node: string): Promise<void> {
    await this.client.put(keys.node(node), Buffer.from(JSON.stringify({ node, nonce: nonce() })));
  }

  async isYoung(node: string, milliseconds: number): Promise<boolean> {
    const age = await this.#ageOf(node);
    return age !== undefined && age <= milliseconds + clockMilliseconds;
  }

  async young(milliseconds: number): Promise<string[]> {
    const found: string[] = [];
    for await (const { key } of this.client.list(keys.nodes)) {
      const node = key.slice(keys.nodes.length);
      if (!nodePattern.test(node)) continue;
      const age = (await this.#ageOf(node)) ?? 0;
      if (age <= milliseconds + clockMilliseconds) found.push(node);
      else if (age > removedAfterMilliseconds) await this.client.delete(key);
    }
    return found;
  }

  async #ageOf(node: string): Promise<number | undefined> {
    const head = await this.client.head(keys.node(node));
    return head && head.answeredAt - head.modifiedAt;
  }
}
