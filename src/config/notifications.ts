/** `notifications`: webhooks, with CNCF distribution's settings and bounds for waiting events. */
import { z } from "zod";
import type { Action } from "../registry/registry-event.js";
import { headerName, headerValue } from "./headers.js";
import { concealed, secret } from "./secret.js";
import { group, section } from "./section.js";
import { choice, duration, flag, integer, list, text } from "./values.js";

const actions = ["pull", "push", "mount", "delete"] as const satisfies readonly Action[];

const expectedUrl = "expected an http:// or https:// URL";

/** Headers that Gantry sets on each request, or that would change its framing. */
const ours: ReadonlySet<string> = new Set([
  "connection",
  "content-length",
  "content-type",
  "expect",
  "host",
  "keep-alive",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
]);

const headers = concealed(
  z.record(
    headerName(ours),
    concealed(list(secret(headerValue))),
    "expected names of headers, each with a list of values",
  ),
);

const mediaTypes = list(text).prefault([]);

/** With 0s, every attempt would time out, or attempts would follow each other without a pause. */
const time = duration.refine(
  (seconds) => seconds > 0 && seconds <= 3600,
  "expected a time of up to 1h, and not 0s",
);

const endpoint = group({
  name: text.describe("Your name for the endpoint, used in the log and the metrics."),
  disabled: flag.prefault("false").describe("Sends nothing to this endpoint."),
  url: secret(z.string(expectedUrl).refine(isWebUrl, expectedUrl)).describe(
    "URL that receives the events. Gantry hides it when it shows settings, because it may contain a secret.",
  ),
  headers: headers
    .prefault({})
    .describe(
      "Headers of each request, such as `Authorization: [Bearer abc]`. Gantry hides them when it shows settings.",
    ),
  timeout: time.prefault("1s").describe("Timeout of one delivery attempt."),
  threshold: integer({ min: 1, max: 1_000_000 })
    .prefault("10")
    .describe("Consecutive failures after which Gantry waits before each further attempt."),
  backoff: time.prefault("1s").describe("Time to wait before each attempt after `threshold` failures."),
  ignoredmediatypes: mediaTypes.describe("Older name of `ignore.mediatypes`."),
  ignore: section({
    mediatypes: mediaTypes.describe(
      "Omits events for objects with one of these media types. Blobs have `application/octet-stream`.",
    ),
    actions: list(choice(actions))
      .prefault([])
      .describe("Omits events for these actions: `pull`, `push`, `mount`, `delete`."),
  }),
  queue: section({
    events: integer({ min: 1, max: 1_000_000 })
      .prefault("10000")
      .describe("Maximum number of waiting events. If there are more, Gantry drops the oldest."),
    mib: integer({ min: 1, max: 1024 })
      .prefault("16")
      .describe("Maximum size of the waiting events, in MiB."),
  }),
});

function isWebUrl(given: string): boolean {
  try {
    const { protocol, username, password } = new URL(given);
    decodeURIComponent(username + password);
    return protocol === "http:" || protocol === "https:";
  } catch {
    return false;
  }
}

export const notifications = section({
  events: section({
    includereferences: flag
      .prefault("false")
      .describe(
        "Events for manifests list the descriptors in the manifest: config and layers, or manifests.",
      ),
    mediatype: choice(["v2", "v1"])
      .prefault("v2")
      .describe(
        "Version in the media type of envelopes: `v2` as in CNCF distribution 3, or `v1` as in version 2, for receivers that accept no other. The format is the same.",
      ),
  }),
  endpoints: list(endpoint)
    .refine(
      (endpoints) => new Set(endpoints.map(({ name }) => name)).size === endpoints.length,
      "two endpoints have the same name",
    )
    .prefault([])
    .describe("Endpoints that receive events."),
}).describe("Webhooks for pushes, pulls, mounts and deletions.");
