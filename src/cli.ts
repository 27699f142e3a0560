#!/usr/bin/env node
/** The command line. */
import { ConfigError, readConfig } from "./config/config.js";

/**
 * Threads of libuv's pool, where files are read and synced: a sync waits for the disk, and with the
 * default of 4 a few of them would hold up every download. Read by libuv when the pool is first used.
 */
process.env.UV_THREADPOOL_SIZE ??= "16";

const usage = `Usage: gantry serve

Serves the registry. Settings come from the environment:
  REGISTRY_HTTP_ADDR                          address and port (127.0.0.1:5000; port 0 picks a free one)
  REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY   folder for the data (.gantry)
`;

/** Exit codes: 0 done, 1 failed, 2 wrong usage or settings. */
async function main(parameters: readonly string[]): Promise<number> {
  if (parameters.includes("--help") || parameters.includes("-h")) {
    process.stdout.write(usage);
    return 0;
  }
  if (parameters.length !== 1 || parameters[0] !== "serve") {
    process.stderr.write(usage);
    return 2;
  }
  return serve();
}

async function serve(): Promise<number> {
  const config = readConfig(process.env);
  const { startServer } = await import("./server.js");
  const server = await startServer(config);
  if (!isLoopback(config.http.addr.host)) {
    process.stderr.write(
      "gantry: warning: without authentication, everybody who reaches this address may push and delete\n",
    );
  }
  if (!server.hardLinks) {
    process.stderr.write(
      "gantry: warning: this file system has no hard links; blobs shared by repositories are stored in each\n",
    );
  }
  const audience = isLoopback(config.http.addr.host) ? " (this machine only, no authentication)" : "";
  process.stdout.write(`gantry ready on ${server.url}, data in ${server.rootDirectory}${audience}\n`);
  await new Promise((resolve) => {
    process.once("SIGTERM", resolve);
    process.once("SIGINT", resolve);
  });
  await server.stop();
  return 0;
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host);
}

/** With its causes: what the system said helps who set it up. */
function describe(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause === undefined ? error.message : `${error.message}: ${describe(error.cause)}`;
}

main(process.argv.slice(2)).then(
  (code) => process.exit(code),
  (error: unknown) => {
    const message = describe(error);
    process.stderr.write(
      `gantry: ${error instanceof ConfigError ? `these settings are wrong:\n${message}` : message}\n`,
    );
    process.exit(error instanceof ConfigError ? 2 : 1);
  },
);
