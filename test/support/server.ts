// The server within the test's own process, for states visible only from inside: lent, open or held resources.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after } from "node:test";
import { readConfig } from "../../src/config/config.js";
import { StandardStreams } from "../../src/observe/standard-streams.js";
import { boundsOf } from "../../src/server/app.js";
import { type Server, startServer } from "../../src/server/server.js";

/** A server for all tests of the file, stopped after them. Call it before the file's first test. */
export async function serveInside(settings: Readonly<Record<string, string>> = {}): Promise<Server> {
  const root = await mkdtemp(join(tmpdir(), "gantry-inside-"));
  const server = await startInsideOn(root, settings);
  after(async () => {
    await server.stop();
    await rm(root, { recursive: true, force: true });
  });
  return server;
}

/** A server on a folder that the caller owns; the caller stops the server. */
export function startInsideOn(root: string, settings: Readonly<Record<string, string>>): Promise<Server> {
  return startServer(
    readConfig({
      REGISTRY_HTTP_ADDR: "127.0.0.1:0",
      REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY: root,
      // Standard output belongs to the test.
      REGISTRY_LOG_ACCESSLOG_DISABLED: "true",
      ...settings,
    }),
    new StandardStreams({ output: process.stdout, error: process.stderr }, [], {}),
  );
}

/** The default limits of a front end that a test creates. */
export const defaultBounds = boundsOf(readConfig({}).limits);
