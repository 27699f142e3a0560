#!/usr/bin/env node
/**
 * The program: sets what must be set before Node does anything, then runs the command line. CommonJS, which
 * is loaded without libuv's pool; the loader of ES modules has started the pool before their first line.
 */

/**
 * Threads of libuv's pool, where files are read and synced: a sync waits for the disk, and with the
 * default of 4 a few of them would hold up every download.
 */
process.env.UV_THREADPOOL_SIZE ??= "16";

void import("./cli/main.js");
