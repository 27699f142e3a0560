/** `redis`: the Valkey or Redis server through which nodes share their state, with the keys of CNCF distribution 3. */
import { secret } from "./secret.js";
import { group } from "./section.js";
import { address, duration, integer, list, text } from "./values.js";

const tls = group({
  certificate: text.optional().describe("PEM file with this node's certificate, if the server demands one."),
  key: text.optional().describe("PEM file with the certificate's unencrypted key."),
  rootcas: list(text)
    .prefault([])
    .describe("PEM files with the CAs of the server's certificate. By default, the public CAs of Node.js."),
  clientcas: list(text).prefault([]).describe("Older name of `rootcas`."),
})
  .refine(
    ({ certificate, key }) => (certificate === undefined) === (key === undefined),
    "certificate and key need each other",
  )
  .optional();

const expectedOne =
  "expected one address with a host: Redis Cluster is not supported, because each step of Gantry concerns several keys";

export const redis = group({
  addrs: list(address)
    .refine((addresses) => addresses.length === 1 && addresses[0]?.host !== "", expectedOne)
    .describe(
      "Address of a server, Valkey or Redis 7, as a list with one `host:port`. All nodes of a bucket must have the same. The server must not evict keys (`maxmemory-policy noeviction`). It holds no content, and needs no persistence.",
    ),
  username: text.optional().describe("User name, if the server demands one."),
  password: secret().optional().describe("Password, if the server demands one."),
  db: integer({ min: 0, max: 1_000_000 }).prefault("0").describe("Number of the database."),
  dialtimeout: duration
    .refine((seconds) => seconds > 0 && seconds <= 60, "expected a time of up to 60s, and not 0s")
    .prefault("5s")
    .describe("Timeout of opening a connection."),
  tls,
})
  .optional()
  .describe("Valkey or Redis server through which several nodes share one bucket.");
