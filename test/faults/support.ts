// A server whose disk can be made to fail, and the state that it must have afterwards.

import assert from "node:assert/strict";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { fileURLToPath } from "node:url";
import { Client } from "../support/client.js";
import { image, newName } from "../support/content.js";
import { type Gantry, type GantrySettings, startGantry } from "../support/gantry.js";
import { eventually, storedBelow } from "../support/store.js";
import type { Fault } from "./inject.js";

/** Node's options that load the injector. */
export const injecting = `--import=${fileURLToPath(new URL("./inject.js", import.meta.url))}`;

/** Few slabs, so that a lost one is noticed. */
export const slabsMebibytes = 8;

export class FaultyServer {
  private constructor(
    readonly gantry: Gantry,
    readonly client: Client,
    readonly planFile: string,
  ) {}

  /** A server for all tests of the file, ended after them. */
  static async start(settings: GantrySettings = {}): Promise<FaultyServer> {
    const folder = await mkdtemp(join(tmpdir(), "gantry-faults-"));
    const planFile = join(folder, "fault.json");
    const gantry = await startGantry({
      NODE_OPTIONS: injecting,
      GANTRY_TEST_FAULT: planFile,
      REGISTRY_UPLOADS_MEMORYMIB: String(slabsMebibytes),
      ...settings,
    });
    after(async () => {
      await gantry[Symbol.asyncDispose]();
      await rm(folder, { recursive: true, force: true });
    });
    return new FaultyServer(gantry, new Client(gantry.url), planFile);
  }

  /** Runs `work` while the fault lasts. */
  async during<T>(fault: Fault, work: () => Promise<T>): Promise<T> {
    await writeFile(this.planFile, JSON.stringify(fault));
    try {
      return await work();
    } finally {
      await rm(this.planFile, { force: true });
    }
  }

  /** Checks that lent resources are returned, a failure has left nothing, and an image can be pushed and pulled. */
  async isIntact(): Promise<void> {
    const { client, gantry } = this;
    await eventually("uploads is empty", async () =>
      (await storedBelow(`${gantry.root}/uploads`)).length === 0 ? true : undefined,
    );
    const name = newName();
    const made = image();
    await client.pushImage(name, made, "latest");
    assert.ok((await client.get(`/v2/${name}/manifests/latest`)).body.equals(made.bytes));
    for (const blob of made.blobs)
      assert.ok((await client.get(`/v2/${name}/blobs/${blob.digest}`)).body.equals(blob.bytes));
  }
}
