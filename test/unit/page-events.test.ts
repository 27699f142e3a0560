// Who may follow the changes of a page: a visitor whose session has ended sees nothing more, and errors of the server are reported.

import assert from "node:assert/strict";
import { test } from "node:test";
import { ownGate } from "../../src/auth/own-gate.js";
import { RegistryError } from "../../src/domain/errors.js";
import { parseRepositoryName } from "../../src/domain/repository-name.js";
import type { HttpContext } from "../../src/http/context.js";
import type { Exchange } from "../../src/http/exchange.js";
import { getRepositoryEvents } from "../../src/http/web/events.js";
import { alice } from "../support/browsing.js";

const name = parseRepositoryName("team/app");

/** Resolves with what the visitor sees, and with the errors that were reported. */
async function seen(identify: () => typeof alice): Promise<readonly [sees: boolean, errors: unknown[]]> {
  const errors: unknown[] = [];
  let sees = false;
  const follow = async (...[, , , look]: [unknown, unknown, unknown, () => Promise<unknown>]) => {
    sees = (await look()) !== undefined;
  };
  const context = {
    web: { sessions: { identify }, live: { follow } },
    gate: { may: () => true },
    services: {
      onBackgroundError: (error: unknown) => void errors.push(error),
      cluster: { changes: { followAll: async () => {} } },
    },
  } as unknown as HttpContext;
  const exchange = { identity: alice, query: "" } as unknown as Exchange;
  await getRepositoryEvents(context, exchange, ownGate.pull(alice, name));
  return [sees, errors];
}

test("a visitor sees changes while the session lasts", async () => {
  assert.deepEqual(await seen(() => alice), [true, []]);
  const refused = () => {
    throw new RegistryError("denied", "no");
  };
  assert.deepEqual(await seen(refused), [false, []]);
});

test("an error of the server ends the view, and is reported", async () => {
  const broken = new TypeError("broken");
  const fail = () => {
    throw broken;
  };
  assert.deepEqual(await seen(fail), [false, [broken]]);
});
