/** `limits`: what one client may take, and all together, so that none starves the others. */
import { section } from "./section.js";
import { duration, durationOrNever, integer } from "./values.js";

const countMax = 10_000_000;
const count = integer({ min: 1, max: countMax });

export const limits = section({
  requests: section({
    rate: integer({ min: 0, max: countMax })
      .prefault("0")
      .describe(
        "Requests a second of one client, who is a login or else an address (of IPv6, a /64 network); more get 429. `0`: any number, since a whole CI cluster may come from one address.",
      ),
    burst: integer({ min: 0, max: countMax })
      .prefault("0")
      .describe("Requests that a client may have saved up; a second's worth where it is less than that."),
  }),
  connections: section({
    total: count.optional().meta({
      description:
        "Connections that are open at a time, of all clients; more are closed at once. Never more than the descriptors of the process allow.",
      defaultNote: "16384, or fewer where descriptors are few",
    }),
    perclient: count.optional().meta({
      description:
        "The same of one address (of IPv6, of one /64 network), whoever logs in from it. Does not count for `http.trustedproxies`.",
      defaultNote: "half of the total, 4096 at most",
    }),
  }),
  uploads: section({
    total: count.prefault("10000").describe("Request bodies that are received at a time, of all clients."),
    perclient: count.prefault("2000").describe("The same of one client."),
  }),
  forms: section({
    total: count
      .prefault("2000")
      .describe("Forms by which tokens are asked for that are received at a time, of all clients."),
    perclient: count.prefault("500").describe("The same of one client."),
  }),
  sessions: section({
    total: count.prefault("100000").describe("Upload sessions that are open at a time."),
    peruser: count.prefault("20000").describe("The same of one client."),
    unused: duration
      .prefault("10m")
      .describe(
        "An upload session that has no bytes after so long is dropped. Until it has some it is in memory only: a restart keeps it, a crash does not. One with bytes is kept for `storage.maintenance.uploadpurging.age`.",
      ),
  }),
  logins: section({
    failures: count
      .prefault("60")
      .describe(
        "Wrong passwords and forged tokens that may be tried from one address (of IPv6, from one /64 network) in the time `per`; then 429. One that is tried again and again counts once.",
      ),
    per: duration.prefault("1m").describe("The time for it."),
  }),
  headerbytes: integer({ min: 4096, max: 65_536 })
    .prefault("65536")
    .describe(
      "Largest header section of a request, in bytes. Tokens are long, and so are the lists of ranges by which clients pull parts of layers.",
    ),
  manifestbytes: integer({ min: 65_536, max: 64 * 1024 * 1024 })
    .prefault("4194304")
    .describe("Largest manifest; the specification asks for at least 4 MiB."),
  manifestdepth: integer({ min: 8, max: 1_000 })
    .prefault("32")
    .describe("Objects and lists inside one another in a manifest."),
  manifestkeys: integer({ min: 1_000, max: 1_000_000 })
    .prefault("100000")
    .describe("Keys of all objects in a manifest, annotations included."),
  manifestdescriptors: integer({ min: 1_000, max: 100_000 })
    .prefault("10000")
    .describe("Layers of an image or artifact, or manifests of an index."),
  annotationbytes: integer({ min: 4_096, max: 131_072 })
    .prefault("65536")
    .describe(
      "Bytes, as JSON, of the annotations of a manifest that has a subject: each listing of referrers repeats them.",
    ),
  pageentries: integer({ min: 10, max: 100_000 })
    .prefault("10000")
    .describe("Entries of a page of a listing that asks for no number, and the most that one gets."),
  slow: section({
    sender: durationOrNever
      .prefault("1h")
      .describe(
        "A client that sends nothing of a body for so long is dropped; `never`: none is. BuildKit is silent for minutes while it compresses a layer. A silent client holds one of the `uploads`, and no memory.",
      ),
    small: duration
      .prefault("30s")
      .describe(
        "A manifest or a form must have come whole within this time, and a second more for each 4 KiB of it; else its client is dropped.",
      ),
    reader: duration
      .prefault("180s")
      .describe("A client that takes nothing of an answer for so long is dropped."),
  }),
});
