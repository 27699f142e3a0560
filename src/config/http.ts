/** `http`: where the server listens, what every response has, and how the server stops. */
import { z } from "zod";
import { isAddressRange } from "../lib/address-ranges.js";
import { headerName, headerValue } from "./headers.js";
import { section } from "./section.js";
import { tls } from "./tls.js";
import { address, duration, flag, integer, list, origin, text } from "./values.js";

/** What a response's own headers say; a second one beside it would make it wrong. */
const ours: ReadonlySet<string> = new Set([
  "accept-ranges",
  "connection",
  "content-length",
  "content-range",
  "content-type",
  "date",
  "docker-content-digest",
  "docker-distribution-api-version",
  "docker-upload-uuid",
  "etag",
  "keep-alive",
  "link",
  "location",
  "range",
  "transfer-encoding",
  "upgrade",
  "www-authenticate",
]);

/** Neither a manifest nor a blob is to be taken for a page by a browser that is sent to it. */
const ownHeaders = { "X-Content-Type-Options": ["nosniff"] };

/** What is given of a header is over our own value, in whichever case its name is written; an empty list leaves it out. */
function withOwnHeaders(given: Readonly<Record<string, string[]>>): Record<string, string[]> {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const own = Object.entries(ownHeaders).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(own), ...given };
}

export const http = section({
  addr: address
    .prefault("127.0.0.1:5000")
    .describe("Address and port. `127.0.0.1:0` picks a free port and prints it; `:5000` is all interfaces."),
  draintimeout: duration
    .prefault("30s")
    .describe(
      "Time that running requests have to come to their end when the server is told to stop (SIGTERM).",
    ),
  headers: z
    .record(headerName(ours), list(headerValue), "expected names of headers, each with a list of values")
    .transform(withOwnHeaders)
    .prefault({})
    .describe(
      "Headers that every response has, each with a list of values, beside `X-Content-Type-Options: [nosniff]`, which an empty list leaves out.",
    ),
  host: origin
    .optional()
    .describe(
      "`https://name:port` by which clients reach this server, where a proxy before it tells another name. Without it the `Host` header says.",
    ),
  keepalive: flag
    .prefault("true")
    .describe(
      "Whether a connection may have several requests, with up to 10 s between them. `false` ends each with its answer: for a load balancer that keeps idle connections for longer and cannot be told otherwise (docs/operating.md).",
    ),
  relativeurls: flag
    .prefault("true")
    .describe(
      "Whether `Location` is a path, which is right by every name. `false` puts `http.host` before it; without that, `https://` and the `Host` header for clients that are known to use HTTPS, as for the address of tokens; other clients get a path.",
    ),
  trustedproxies: list(
    text.refine(isAddressRange, "expected an address or a range, such as 10.0.0.7 or 10.0.0.0/8"),
  )
    .prefault([])
    .describe("Addresses of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` are believed."),
  debug: section({
    addr: address
      .optional()
      .describe(
        "Address and port, of plain HTTP, that has `/livez`, `/readyz` and, where they are wanted, metrics, and asks nobody to log in or for a certificate: for this machine, or a network of your own.",
      ),
    prometheus: section({
      enabled: flag.prefault("false").describe("Whether `http.debug.addr` serves metrics for Prometheus."),
      path: text
        .regex(/^\//, "expected a path that begins with /")
        .prefault("/metrics")
        .describe("The path that has them."),
    }),
  }),
  metrics: section({
    enabled: flag
      .prefault("false")
      .describe(
        "Whether `http.addr` has the metrics too, as `/metrics`: for those whom the policy file grants them, for all who have logged in where there is no such file, and for everybody where nobody logs in.",
      ),
    repositories: integer({ min: 0, max: 10_000 })
      .prefault("0")
      .describe(
        "Repositories that the label `repository` of the requests' metrics tells by name, the first on which a request succeeds; others are `OTHER`. Some 100 series each. `0`: no such label.",
      ),
  }),
  tls,
}).describe("Where the server listens, what every response has, and how the server stops.");
