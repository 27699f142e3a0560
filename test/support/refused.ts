// Refusals of credentials: typed, with a reason, and without the credential.

import assert from "node:assert/strict";
import { inspect } from "node:util";
import { RegistryError } from "../../src/domain/errors.js";

/** Shorter ones occur in many paths by chance, and so in the error's stack. */
const tellingLengthMin = 4;

/**
 * Checks that `verifying` rejects with `unauthorized` and the reason, and that the error contains nothing of the credential.
 */
export async function assertRefused(verifying: unknown, reason: RegExp, credential = ""): Promise<void> {
  await assert.rejects(Promise.resolve(verifying), (error: unknown) => {
    assert.ok(error instanceof RegistryError);
    assert.equal(error.kind, "unauthorized");
    assert.match(error.message, reason);
    const told = `${inspect(error, { depth: 10 })} ${JSON.stringify(error)}`;
    for (const part of credential.split("."))
      assert.ok(part.length < tellingLengthMin || !told.includes(part));
    return true;
  });
}
