/**
 * Writes events in the JSON format of CNCF distribution's notifications.
 *
 * It builds the JSON itself, in 0.3 us instead of 2.5 us with JSON.stringify; a whole response from memory takes about 20 us
 * (`npm run bench -- --only webhooks`). It quotes texts that clients choose; names, tags, digests and media types need no
 * JSON escapes.
 */
import { randomUUID } from "node:crypto";
import type { Identity } from "../auth/identity.js";
import { isRobotName, userNameOf } from "../domain/robot.js";
import type { Exchange } from "../http/exchange.js";
import { originOf } from "../http/origin.js";
import type { RegistryEvent } from "../registry/registry-event.js";
import { referencesOf } from "./references.js";
import { remembering } from "./remembering.js";

export interface EventOptions {
  /** This server: `host:port`, and an ID that is new at each start. */
  readonly source: { readonly addr: string; readonly instanceID: string };
  /** Whether events for manifests list their descriptors. */
  readonly includeReferences: boolean;
  /** `https://host` by which clients reach this server, if `Host` does not have it. */
  readonly publicOrigin: string | undefined;
}

/** The registry does not know the media type of a blob. */
const blobMediaType = "application/octet-stream";

export class EventWriter {
  readonly #source: string;
  readonly #timestampOf = remembering((milliseconds: number) => new Date(milliseconds).toISOString());
  readonly #quotedAddress = remembering(quoted);
  readonly #quotedHost = remembering(quoted);
  readonly #quotedAgent = remembering(quoted);
  readonly #quotedLogin = remembering(quoted);
  readonly #escapedOrigin = remembering((origin: string) => quoted(origin).slice(1, -1));

  constructor(readonly options: EventOptions) {
    this.#source = JSON.stringify(options.source);
  }

  /** Returns the JSON of an event caused by `exchange`. */
  write(exchange: Exchange, event: RegistryEvent): string {
    const { id, method, incoming, identity } = exchange;
    const address = this.#quotedAddress(incoming.peer.address);
    const host = this.#quotedHost(incoming.host);
    const agent = this.#quotedAgent(incoming.agent);
    const timestamp = this.#timestampOf(Date.now());
    const target = this.#target(exchange, event);
    const request = `"id":"${id}","addr":${address},"host":${host},"method":"${method}","useragent":${agent}`;
    const actor =
      identity === undefined || identity.kind === "anonymous"
        ? ""
        : `"name":${this.#quotedLogin(loginOf(identity))}`;
    return `{"id":"${randomUUID()}","timestamp":"${timestamp}","action":"${event.action}","target":{${target}},"request":{${request}},"actor":{${actor}},"source":${this.#source}}`;
  }

  /** Returns the event's target. For a deletion, it names only the deleted object. */
  #target({ name, incoming }: Exchange, event: RegistryEvent): string {
    if ("digest" in event) return `"digest":"${event.digest}","repository":"${name}"`;
    if (!("manifest" in event || "blob" in event)) return `"repository":"${name}","tag":"${event.tag}"`;
    const { publicOrigin, includeReferences } = this.options;
    const origin = originOf(incoming, publicOrigin) ?? `http://${incoming.host}`;
    const base = `${this.#escapedOrigin(origin)}/v2/${name}`;
    if ("blob" in event) {
      const { digest, size } = event.blob;
      const isMounted = event.action === "mount" && event.from !== undefined;
      const from = isMounted ? `,"fromRepository":"${event.from}"` : "";
      return `${content(blobMediaType, digest, size)},"repository":"${name}"${from},"url":"${base}/blobs/${digest}"`;
    }
    const { manifest, tag } = event;
    const { mediaType, digest, bytes } = manifest;
    const tagged = tag === undefined ? "" : `,"tag":"${tag}"`;
    const references = includeReferences ? `,"references":${JSON.stringify(referencesOf(bytes))}` : "";
    return `${content(mediaType, digest, bytes.length)},"repository":"${name}","url":"${base}/manifests/${digest}"${tagged}${references}`;
  }
}

/** `length` is the size by its older name. */
function content(mediaType: string, digest: string, size: number): string {
  return `"mediaType":"${mediaType}","size":${size},"digest":"${digest}","length":${size}`;
}

function quoted(text: string): string {
  return JSON.stringify(text);
}

/** Returns the login name of an identity. */
function loginOf({ kind, name }: Identity): string {
  return kind === "robot" && isRobotName(name) ? userNameOf(name) : name;
}

/** Returns the media type of the event's object, if the event has it; deletions do not. */
export function mediaTypeOf(event: RegistryEvent): string | undefined {
  if ("manifest" in event) return event.manifest.mediaType;
  return "blob" in event ? blobMediaType : undefined;
}
