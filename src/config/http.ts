/** `http`: listening address, response headers, TLS and shutdown. */
import { z } from "zod";
import { headerName, headerValue } from "./headers.js";
import { group, section } from "./section.js";
import { tls } from "./tls.js";
import { ui } from "./ui.js";
import { address, addressRange, duration, flag, integer, list, origin, text } from "./values.js";

/** Headers that Gantry sets itself; a second value would corrupt the response. */
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

/** Browsers must not interpret a manifest or blob as a web page. */
const ownHeaders = { "X-Content-Type-Options": ["nosniff"] };

/** Adds our own headers. A given header, in any case, overrides ours; an empty list removes it. */
function withOwnHeaders(given: Readonly<Record<string, string[]>>): Record<string, string[]> {
  const names = new Set(Object.keys(given).map((name) => name.toLowerCase()));
  const own = Object.entries(ownHeaders).filter(([name]) => !names.has(name.toLowerCase()));
  return { ...Object.fromEntries(own), ...given };
}

export const processesMax = 64;

interface Address {
  readonly host: string;
  readonly port: number;
}

const everyHost: ReadonlySet<string> = new Set(["", "::", "0.0.0.0"]);

/** Whether the second of two servers would find its address in use. */
function overlaps(one: Address, other: Address): boolean {
  const isSameHost = one.host === other.host || everyHost.has(one.host) || everyHost.has(other.host);
  return isSameHost && one.port === other.port && one.port !== 0;
}

const keys = group({
  addr: address
    .prefault("127.0.0.1:5000")
    .describe("Address and port. `127.0.0.1:0` picks a free port and prints it; `:5000` is all interfaces."),
  draintimeout: duration
    .prefault("30s")
    .describe("Time that running requests have to finish after the server is told to stop (SIGTERM)."),
  headers: z
    .record(headerName(ours), list(headerValue), "expected names of headers, each with a list of values")
    .transform(withOwnHeaders)
    .prefault({})
    .describe(
      "Headers added to every response, each with a list of values. `X-Content-Type-Options: [nosniff]` is the default; an empty list removes it.",
    ),
  host: origin
    .optional()
    .describe(
      "URL by which clients reach this server, such as `https://name:port`. Set it if a proxy sends another name. Without it, Gantry uses the `Host` header.",
    ),
  keepalive: flag
    .prefault("true")
    .describe(
      "Allows several requests on one connection, up to 10 s apart. `false` closes each connection after its response, for load balancers that keep idle connections longer and have no setting for it (docs/operating.md).",
    ),
  processes: integer({ min: 1, max: processesMax }).optional().meta({
    description:
      "Processes that share the port, each with its own event loop, caches and workers. The first one owns the store and replaces one that dies. `limits` hold over all: those of all clients are divided, and the processes report what one client uses to each other. So a client may exceed its limit by what it begins at other processes within 25 ms (connections: within 250 ms); it waits correspondingly longer for its next request or login. A bucket (`storage.s3`) has one process, and so has a read-only file system.",
    defaultNote:
      "1, from 8 cores on a quarter of them, but at most one for each 500 MB of memory; 1 with a bucket",
  }),
  relativeurls: flag
    .prefault("true")
    .describe(
      "`true` makes `Location` a path, which is correct under every host name. `false` prefixes it with `http.host`. If `http.host` is not set, clients that are known to use HTTPS get `https://` and the `Host` header, and other clients get a path.",
    ),
  trustedproxies: list(addressRange)
    .prefault([])
    .describe("Addresses of proxies whose `X-Forwarded-For`, `-Proto` and `-Host` headers Gantry trusts."),
  debug: section({
    addr: address
      .optional()
      .describe(
        "Address and port for `/livez`, `/readyz` and, if enabled, metrics. It speaks plain HTTP and requires neither login nor certificate, so open it only to this machine or a private network.",
      ),
    prometheus: section({
      enabled: flag.prefault("false").describe("Serves Prometheus metrics at `http.debug.addr`."),
      path: text
        .regex(/^\//, "expected a path that begins with /")
        .prefault("/metrics")
        .describe("Path of the metrics."),
    }),
  }),
  metrics: section({
    enabled: flag
      .prefault("false")
      .describe(
        "Also serves the metrics at `http.addr`, as `/metrics`. The policy file decides who may read them. Without a policy file, every logged-in user may; without authentication, everybody may.",
      ),
    repositories: integer({ min: 0, max: 10_000 })
      .prefault("0")
      .describe(
        "Number of repositories that the label `repository` of request metrics names: the first on which a request succeeds. Others are `OTHER`. Each adds about 100 series. `0` omits the label.",
      ),
  }),
  tls,
  ui,
}).superRefine(({ addr, debug }, context) => {
  if (debug.addr !== undefined && overlaps(addr, debug.addr))
    context.addIssue({ code: "custom", path: ["debug", "addr"], message: "http.addr has this port, too" });
});

export const http = keys
  .prefault({} as z.input<typeof keys>)
  .describe("Listening address, response headers, TLS and shutdown.");
