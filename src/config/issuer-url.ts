/** The URL of an issuer of tokens, or of its keys. */
import { isIP } from "node:net";
import { z } from "zod";

/** Plain HTTP would let an attacker replace the keys, so it is allowed only on the machine itself. */
export const issuerUrl = z
  .string()
  .refine(isTrustworthy, "expected an https:// URL, or an http:// URL with a loopback address");

function isTrustworthy(text: string): boolean {
  if (!URL.canParse(text)) return false;
  const { protocol, hostname, username, password, search, hash } = new URL(text);
  if (username !== "" || password !== "" || search !== "" || hash !== "") return false;
  return protocol === "https:" || (protocol === "http:" && isLoopback(hostname));
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "[::1]" || (isIP(host) === 4 && host.startsWith("127."));
}
