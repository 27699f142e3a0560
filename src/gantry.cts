#!/usr/bin/env node
/**
 * The program: sets what must be set before Node starts its thread pool, then runs the command line. It is CommonJS,
 * because the loader of ES modules starts libuv's pool before their first line runs.
 */

/**
 * Threads of libuv's pool, which read and sync files. A sync waits for the disk; with the default of 4 threads, a few
 * syncs would delay every download.
 */
process.env.UV_THREADPOOL_SIZE ??= "16";

void import("./cli/main.js");
