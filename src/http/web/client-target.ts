/** How clients reach this registry, as far as the visitor's request says. */
import { visibleLine } from "../../lib/control-characters.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { originOf } from "../origin.js";
import { webOf } from "./web.js";

export interface ClientTarget {
  readonly host: string;
  /** Whether clients reach it without TLS, on the machine itself or over a network. */
  readonly security: "tls" | "loopback" | "plain";
}

const hostCharactersMax = 255;

/** Returns how clients reach this registry. */
export function targetOf(context: HttpContext, { incoming }: Exchange): ClientTarget {
  const origin = originOf(incoming, webOf(context).publicOrigin);
  const host = visibleLine(
    (origin?.replace(/^https?:\/\//, "") ?? incoming.host).slice(0, hostCharactersMax),
  );
  if (origin?.startsWith("https:")) return { host, security: "tls" };
  if (origin !== undefined && /^http:\/\/(?:localhost|127\.|\[::1\])/.test(origin))
    return { host, security: "loopback" };
  return { host, security: "plain" };
}
