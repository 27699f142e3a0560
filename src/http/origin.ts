/**
 * Determines the address by which a client reaches this server, if it is known. A client sends its password to the address
 * in the challenge, so a wrong scheme here would send it in clear text.
 */
import type { Incoming } from "./incoming.js";

/** Names by which a machine reaches itself, without a network. */
const loopback = /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?$/i;

/**
 * Returns `https://host`, or `http://host` on the machine itself, or `undefined` if it is unknown how the client connects:
 * behind a proxy that terminates TLS without reporting it, a request looks like plain HTTP. `configured` is the operator's
 * setting.
 */
export function originOf(
  { peer, host, front }: Pick<Incoming, "peer" | "host" | "front">,
  configured: string | undefined,
): string | undefined {
  if (configured !== undefined) return configured;
  if (host === "") return undefined;
  if (peer.secure) return `https://${host}`;
  // Behind a proxy on this machine that hides the requested name, the address is unknown.
  if (loopback.test(host)) return front === "none" ? `http://${host}` : undefined;
  // Anyone can forge this header, but only sends themselves to HTTPS.
  return front === "https-proxy" ? `https://${host}` : undefined;
}
