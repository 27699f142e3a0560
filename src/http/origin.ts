/**
 * By which address a client reaches this server, as far as that is known. A client sends its password to where it is told
 * to, so a wrong scheme here would make it go out in clear text.
 */
import type { Incoming } from "./exchange.js";

/** Names by which a machine reaches itself: what is sent there does not go over a network. */
const loopback = /^(?:(?:[\w-]+\.)*localhost|127(?:\.\d{1,3}){3}|\[::1\])(?::\d*)?$/i;

/**
 * `https://host`, or `http://host` on the machine itself; `undefined` if it is not known how the client connects: behind a
 * proxy that ends TLS and does not say so, a request looks like one in plain HTTP. `configured` is what the operator says.
 */
export function originOf(
  { peer, host, front }: Pick<Incoming, "peer" | "host" | "front">,
  configured: string | undefined,
): string | undefined {
  if (configured !== undefined) return configured;
  if (host === "") return undefined;
  if (peer.secure) return `https://${host}`;
  // A proxy on this machine that hides the name by which it was asked for itself.
  if (loopback.test(host)) return front === "none" ? `http://${host}` : undefined;
  // Anybody can say so; whoever does in vain is sent to HTTPS himself, and nobody else.
  return front === "https-proxy" ? `https://${host}` : undefined;
}
