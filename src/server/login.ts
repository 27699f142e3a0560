/**
 * Creates the gate and the authenticator from the settings. Loads the verifiers only if authentication is enabled: they take
 * longer to load than the rest of a start. Part of the composition root.
 */
import { Gate } from "../auth/gate.js";
import { openPolicy } from "../auth/policy.js";
import { isProtected } from "../config/is-protected.js";
import type { Services } from "../registry/services.js";
import type { Opening } from "./opening.js";
import type { OpenedLogin } from "./verifiers.js";

/** Rejects with `ConfigError` if a file that the settings name cannot be used. */
export async function openLogin(opening: Opening, services: Services): Promise<OpenedLogin> {
  const { isMirrored } = services;
  if (!isProtected(opening.config))
    return { gate: new Gate(openPolicy, isMirrored), login: undefined, lookups: {} };
  const { openVerifiers } = await import("./verifiers.js");
  return openVerifiers(opening, services, isMirrored);
}
