/**
 * Caches the parts of access log lines about caller and target. Popular targets have many callers, and callers have many
 * requests, so most lookups hit (docs/decisions/0025).
 */
import type { Identity } from "../auth/identity.js";
import type { RepositoryName } from "../domain/repository-name.js";
import type { Exchange } from "../http/exchange.js";
import { escapeJsonLine } from "../lib/control-characters.js";
import { methods } from "./methods.js";

/** Longer texts are cut. */
const textCharactersMax = 256;

/** Cached pieces of each kind; at most about 700 bytes each with the key. */
const piecesMax = 2_000;

interface What {
  readonly method: string;
  readonly status: number;
  readonly name: RepositoryName | undefined;
  readonly text: string;
}

interface Who {
  readonly identity: Identity | undefined;
  readonly agent: string;
  readonly text: string;
}

export class LinePieces {
  /** Target pieces by path. */
  readonly #whats = new Map<string, What>();
  /** Caller pieces by address. */
  readonly #whos = new Map<string, Who>();

  /** Method, path, status and repository. */
  what({ incoming: { method, path }, status, name }: Exchange): string {
    const kept = this.#whats.get(path);
    if (kept?.method === method && kept.status === status && kept.name === name) return kept.text;
    let text = `,"method":${quotedMethods.get(method) ?? quoted(method)},"path":${quoted(path)}`;
    if (status !== 0) text += `,"status":${status}`;
    // A repository name needs no JSON escapes.
    if (name !== undefined) text += `,"repository":"${name}"`;
    keep(this.#whats, path, { method, status, name, text });
    return text;
  }

  /** User, address and user agent. */
  who({ incoming: { agent, peer }, identity }: Exchange): string {
    const { address } = peer;
    const kept = this.#whos.get(address);
    if (kept !== undefined && kept.identity === identity && kept.agent === agent) return kept.text;
    let text = identity === undefined ? "" : `,"user":${quoted(identity.subject)}`;
    text += `,"address":${quoted(address)}`;
    if (agent !== "") text += `,"agent":${quoted(agent)}`;
    keep(this.#whos, address, { identity, agent, text });
    return text;
  }
}

/** Clients may send any method, but nearly always one of these. */
const quotedMethods = new Map(Array.from(methods, (name) => [name, `"${name}"`]));

function quoted(text: string): string {
  const short = text.length > textCharactersMax ? text.slice(0, textCharactersMax) : text;
  return escapeJsonLine(JSON.stringify(short));
}

function keep<V>(pieces: Map<string, V>, key: string, piece: V): void {
  if (key.length > textCharactersMax) return;
  if (pieces.size >= piecesMax) pieces.clear();
  pieces.set(key, piece);
}
