/** What an operator can do about the server of `redis.addrs`. Part of the composition root. */
import { describeError } from "../lib/describe-error.js";
import type { RedisSettings } from "./cluster.js";

/** What a connection looks like if only one side speaks TLS. */
const maybeTls = /ECONNRESET|ETIMEDOUT|closed|does not answer/;

/** The client's words for a connection that ends while it waits for its first answer. */
const ended = /^(Connection is closed|Reached the max retries per request limit.*)$/;

const byReason: readonly (readonly [RegExp, string])[] = [
  [/WRONGPASS|NOAUTH|NOPERM|invalid password/i, "check redis.username and redis.password"],
  [/DB index/, "check redis.db"],
  [/CERT|SELF_SIGNED|UNABLE_TO_|self-signed/i, "set redis.tls.rootcas to the server's authority"],
  [/ECONNREFUSED|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH/, "check redis.addrs"],
  [/reply type byte/, "check redis.addrs: another kind of server listens there"],
];

/** Says what failed, and what to do about it. */
export function engineFailure(error: unknown, { tls }: Pick<RedisSettings, "tls">): string {
  const said = describeError(error).replace(/\.$/, "").replace(ended, "it has closed the connection");
  const code = error instanceof Error && "code" in error ? String(error.code) : "";
  const known = byReason.find(([reason]) => reason.test(`${code} ${said}`))?.[1];
  if (known !== undefined) return `${said}; ${known}`;
  if (!maybeTls.test(`${code} ${said}`)) return said;
  return `${said}; ${tls === undefined ? "if the server demands TLS, set redis.tls" : "if it speaks no TLS, remove redis.tls"}`;
}
