/** `limits`: what one client and all clients together may use, so that none starves the others. */
import { section } from "./section.js";
import { duration, durationOrNever, integer } from "./values.js";

const countMax = 10_000_000;
const count = integer({ min: 1, max: countMax });

export const limits = section({
  requests: section({
    rate: integer({ min: 0, max: countMax })
      .prefault("0")
      .describe(
        "Requests per second of one client; more get 429. A client is a login or, without login, an address (for IPv6, a /64 network). `0` sets no limit, because a whole CI cluster may share one address.",
      ),
    burst: integer({ min: 0, max: countMax })
      .prefault("0")
      .describe("Requests that a client may send in a burst; at least the number of one second."),
  }),
  connections: section({
    total: count.optional().meta({
      description:
        "Open connections of all clients; Gantry closes further ones immediately. The descriptors of the process limit this number. The default leaves memory for a head of `limits.headerbytes` on each connection, and with HTTPS for 20 KiB more, or two more heads and 20 KiB in the TLS thread.",
      defaultNote: "16384 for each process, or fewer if descriptors or memory are scarce",
    }),
    perclient: count.optional().meta({
      description:
        "Open connections of one address (for IPv6, of one /64 network), regardless of login. Does not apply to `http.trustedproxies`.",
      defaultNote: "half of the total, at most 4096",
    }),
  }),
  uploads: section({
    total: count
      .prefault("10000")
      .describe("Request bodies of all clients that are being received at the same time."),
    perclient: count
      .prefault("2000")
      .describe("Request bodies of one client that are being received at the same time."),
  }),
  forms: section({
    total: count
      .prefault("2000")
      .describe("Token request forms of all clients that are being received at the same time."),
    perclient: count
      .prefault("500")
      .describe("Token request forms of one client that are being received at the same time."),
  }),
  sessions: section({
    total: count.prefault("100000").describe("Open upload sessions of all clients."),
    peruser: count.prefault("20000").describe("Open upload sessions of one client."),
    unused: duration
      .prefault("10m")
      .describe(
        "Time after which Gantry drops an upload session without bytes. Such a session is in memory only: it survives a restart but not a crash. A session with bytes is kept for `storage.maintenance.uploadpurging.age`.",
      ),
  }),
  logins: section({
    failures: count
      .prefault("60")
      .describe(
        "Wrong passwords and forged tokens allowed from one address (for IPv6, from one /64 network) within the time `per`; more get 429. Repeating the same one counts once.",
      ),
    per: duration.prefault("1m").describe("Period of `limits.logins.failures`."),
  }),
  headerbytes: integer({ min: 4096, max: 65_536 })
    .prefault("65536")
    .describe(
      "Maximum size of a request's header section, in bytes. Tokens are long, and so are the lists of ranges with which clients pull parts of layers.",
    ),
  manifestbytes: integer({ min: 65_536, max: 64 * 1024 * 1024 })
    .prefault("4194304")
    .describe("Maximum size of a manifest, in bytes. The specification asks for at least 4 MiB."),
  manifestdepth: integer({ min: 8, max: 1_000 })
    .prefault("32")
    .describe("Maximum nesting of objects and lists in a manifest."),
  manifestkeys: integer({ min: 1_000, max: 1_000_000 })
    .prefault("100000")
    .describe("Maximum number of keys of all objects in a manifest, including annotations."),
  manifestdescriptors: integer({ min: 1_000, max: 100_000 })
    .prefault("10000")
    .describe("Maximum number of layers of an image or artifact, or of manifests of an index."),
  annotationbytes: integer({ min: 4_096, max: 131_072 })
    .prefault("65536")
    .describe(
      "Maximum size of the annotations of a manifest with a subject, in bytes of JSON. Each list of referrers repeats them.",
    ),
  pageentries: integer({ min: 10, max: 100_000 })
    .prefault("10000")
    .describe("Default and maximum number of entries on a page of a list."),
  slow: section({
    sender: durationOrNever
      .prefault("1h")
      .describe(
        "Gantry disconnects a client that sends no byte of a body for this long. `never` disconnects none. BuildKit is silent for minutes while it compresses a layer. A silent client counts towards `limits.uploads` but holds no memory.",
      ),
    small: duration
      .prefault("30s")
      .describe(
        "Time to receive a whole manifest or form, plus one second for each 4 KiB of it. Gantry disconnects slower clients.",
      ),
    reader: duration
      .prefault("180s")
      .describe("Gantry disconnects a client that reads no byte of a response for this long."),
  }),
});
