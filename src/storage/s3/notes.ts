/** Internal notes, each a small object. */
import type { NoteStore } from "../storage.js";
import type { S3Client } from "./client.js";
import { keys } from "./keys.js";

export class S3Notes implements NoteStore {
  constructor(readonly client: S3Client) {}

  async read(name: string): Promise<Buffer | undefined> {
    return (await this.client.get(keys.note(name)))?.bytes;
  }

  async take(name: string): Promise<Buffer | undefined> {
    const bytes = await this.read(name);
    if (bytes !== undefined) await this.client.delete(keys.note(name));
    return bytes;
  }

  async put(name: string, bytes: Uint8Array): Promise<void> {
    await this.client.put(keys.note(name), bytes);
  }
}
