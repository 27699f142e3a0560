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

import path = require("node:path");
import Program = require("./start/program.cjs");

const program = new Program(path.join(__dirname, "../bundle/gantry.cjs"));
// Other commands end before they have compiled what a server needs.
if (process.argv[2] === "serve") program.saveCodeLater();
void program.exports.main();
