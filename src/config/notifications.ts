/** `notifications`: webhooks, with what CNCF distribution says of them and a bound for what waits. */
import { z } from "zod";
import type { Action } from "../registry/registry-event.js";
import { headerName, headerValue } from "./headers.js";
import { concealed, secret } from "./secret.js";
import { group, section } from "./section.js";
import { choice, duration, flag, integer, list, text } from "./values.js";

const actions = ["pull", "push", "mount", "delete"] as const satisfies readonly Action[];

const expectedUrl = "expected an http:// or https:// URL";

/** What each request has anyway, or what would change its framing. */
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

/** With none, an endpoint would be given up, or asked again and again, at once. */
const time = duration.refine(
  (seconds) => seconds > 0 && seconds <= 3600,
  "expected a time of up to 1h, and not 0s",
);

const endpoint = group({
  name: text.describe("A name of yours, by which the log and the metrics call it."),
  disabled: flag.prefault("false").describe("Whether nothing is sent to it."),
  url: secret(z.string(expectedUrl).refine(isWebUrl, expectedUrl)).describe(
    "Where events are posted; hidden where settings are shown, since it may hold what lets a caller in.",
  ),
  headers: headers
    .prefault({})
    .describe(
      "Headers of each request, such as `Authorization: [Bearer abc]`; hidden where settings are shown.",
    ),
  timeout: time.prefault("1s").describe("Time that a try may take."),
  threshold: integer({ min: 1, max: 1_000_000 })
    .prefault("10")
    .describe("Failures one after the other after which it is waited before each try."),
  backoff: time.prefault("1s").describe("The time for it."),
  ignoredmediatypes: mediaTypes.describe("The same as `ignore.mediatypes`, by its older name."),
  ignore: section({
    mediatypes: mediaTypes.describe(
      "Events of what has one of these media types are not sent; `application/octet-stream` is that of blobs.",
    ),
    actions: list(choice(actions))
      .prefault([])
      .describe("Events of these actions are not sent: `pull`, `push`, `mount`, `delete`."),
  }),
  queue: section({
    events: integer({ min: 1, max: 1_000_000 })
      .prefault("10000")
      .describe("Events that wait for the endpoint; where there are more, the oldest are dropped."),
    mib: integer({ min: 1, max: 1024 }).prefault("16").describe("The same in MiB."),
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
      .describe("Whether events of manifests tell what these name: config and layers, or manifests."),
    mediatype: choice(["v2", "v1"])
      .prefault("v2")
      .describe(
        "Version in the media type of what is sent, as CNCF distribution 3 calls it, or `v1` as 2 calls the same: for receivers that take no other.",
      ),
  }),
  endpoints: list(endpoint)
    .refine(
      (endpoints) => new Set(endpoints.map(({ name }) => name)).size === endpoints.length,
      "two endpoints have the same name",
    )
    .prefault([])
    .describe("Where events are sent."),
}).describe("Webhooks: what is told to whom of pushes, pulls, mounts and deletions.");
