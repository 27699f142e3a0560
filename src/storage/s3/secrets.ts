/** Internal secrets: each an object that is written once. The first of several nodes decides. */
import type { SecretStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { overtaken } from "./failure.js";
import { keys } from "./keys.js";

/** A secret that exists is removed by hand only. */
const attemptsMax = 3;

export class S3Secrets implements SecretStore {
  constructor(readonly client: S3Client) {}

  async secret(name: string, make: () => Uint8Array): Promise<Buffer> {
    const key = keys.secret(name);
    for (let attempt = 1; attempt <= attemptsMax; attempt++) {
      const found = await this.client.get(key);
      if (found !== undefined) return found.bytes;
      const made = make();
      if ((await this.client.put(key, made, { ifNoneMatch: "*" })) !== undefined) return Buffer.from(made);
    }
    throw overtaken(`the secret ${name}`);
  }
}
