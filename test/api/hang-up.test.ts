// SIGHUP reopens the audit log's file. Without one, it does nothing.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Client } from "../support/client.js";
import { startGantry } from "../support/gantry.js";

for (const processes of ["1", "2"])
  test(`a server without an audit log goes on after SIGHUP, with ${processes} processes`, async () => {
    const gantry = await startGantry({ REGISTRY_HTTP_PROCESSES: processes });
    process.kill(gantry.pid, "SIGHUP");
    assert.equal((await new Client(gantry.url).get("/v2/")).status, 200);
    // Rejects unless the server ends with 0, at SIGTERM.
    await gantry.stop();
    assert.doesNotMatch(gantry.log(), /SIGHUP/);
  });
