/**
 * The schema of all settings, one line per section. Everything else derives from it: the type `Config`, validation, the
 * names of environment variables, `gantry config show` and the reference page.
 *
 * To add a section, or keys to one:
 * 1. Write a section as a file beside this one: `export const limits = section({ … }).describe(…)`, with `section.ts`. Use
 *    CNCF distribution's names for the same settings. Names are lower-case letters and digits, because `_` separates them
 *    in a variable (`limits.requests.rate` is `REGISTRY_LIMITS_REQUESTS_RATE`).
 * 2. Write a key as a value from `values.ts` (each is parsed from text) or `secret()`, then its default as text
 *    (`.prefault("30s")`) or `.optional()`, then `.describe("What it does, with its unit.")`. For a default that depends
 *    on the machine, use `.meta({ description, defaultNote: "number of cores" })`.
 * 3. For lists and user-chosen names use `list(…)` and `record(…)`, also of `group({ … })`.
 * 4. For a constraint on several keys use `.refine` or `.superRefine` of the group, with issues that name a `path`.
 * 5. Add the section's line to `schema` below, remove its keys from `distribution.ts`, and run `npm run docs:config`. The
 *    values are then at `config.limits.…`.
 */
import { z } from "zod";
import { audit } from "./audit.js";
import { auth } from "./auth.js";
import { gc } from "./gc.js";
import { health } from "./health.js";
import { http } from "./http.js";
import { limits } from "./limits.js";
import { log } from "./log.js";
import { notifications } from "./notifications.js";
import { proxy } from "./proxy.js";
import { redis } from "./redis.js";
import { storage } from "./storage.js";
import { tags } from "./tags.js";
import { tracing } from "./tracing.js";
import { uploads } from "./uploads.js";
import { validation } from "./validation.js";
import { choice, flag } from "./values.js";

export const schema = z.strictObject({
  version: choice(["0.1"])
    .prefault("0.1")
    .describe("Version of the settings file format, as in CNCF distribution."),
  ignoreunsupported: flag
    .prefault("false")
    .describe("Ignores CNCF distribution settings that Gantry does not support."),
  http,
  auth,
  audit,
  limits,
  storage,
  proxy,
  redis,
  gc,
  tags,
  validation,
  uploads,
  log,
  tracing,
  health,
  notifications,
});

/** The parsed settings of a server. Times are in seconds. */
export type Config = z.output<typeof schema>;
