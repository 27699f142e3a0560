/**
 * Every setting there is, one line a section. All else is made from this: the type `Config`, the checks, the
 * names of the environment's variables, `gantry config show` and the reference page.
 *
 * To add a section, or keys to one:
 * 1. A section is a file of its own beside this one: `export const limits = section({ … }).describe(…)`, of `section.ts`. Names are
 *    CNCF distribution's where the thing is the same, in lower case, of letters and digits: `_` separates
 *    them in a variable (`limits.requests.rate` is `REGISTRY_LIMITS_REQUESTS_RATE`).
 * 2. A key is one of the values of `values.ts` (each is parsed from text) or `secret()`, then its default as
 *    text (`.prefault("30s")`) or `.optional()`, then `.describe("What it does, with its unit.")`. Where the
 *    default depends on the machine: `.meta({ description, defaultNote: "number of cores" })`.
 * 3. Lists and names of the user's choice are `list(…)` and `record(…)`, also of `group({ … })`.
 * 4. What two keys must be together is a `.refine` or `.superRefine` of the group, whose issues name a `path`.
 * 5. Add the section's line to `schema` below, remove the keys from `distribution.ts` if they are there, and
 *    run `npm run docs:config`. The values are then at `config.limits.…`.
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
import { storage } from "./storage.js";
import { tags } from "./tags.js";
import { tracing } from "./tracing.js";
import { uploads } from "./uploads.js";
import { validation } from "./validation.js";
import { choice, flag } from "./values.js";

export const schema = z.strictObject({
  version: choice(["0.1"]).prefault("0.1").describe("Version of the file's format, CNCF distribution's."),
  ignoreunsupported: flag
    .prefault("false")
    .describe("Whether settings of CNCF distribution's that Gantry does not support are passed over."),
  http,
  auth,
  audit,
  limits,
  storage,
  gc,
  tags,
  validation,
  uploads,
  log,
  tracing,
  health,
  notifications,
});

/** What a server works with. Times are in seconds. */
export type Config = z.output<typeof schema>;
