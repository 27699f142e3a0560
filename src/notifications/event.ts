/** Events as CNCF distribution's notifications have them, field by field; fields that are `undefined` are left out. */
import { randomUUID } from "node:crypto";
import type { Identity } from "../auth/identity.js";
import type { JsonObject } from "../domain/descriptor.js";
import { isRobotName, userNameOf } from "../domain/robot.js";
import type { Exchange } from "../http/exchange.js";
import type { Action, Occurrence } from "../registry/occurrence.js";
import { referencesOf } from "./references.js";

/** The server that an event comes from. */
export interface EventSource {
  /** `host:port`. */
  readonly addr: string;
  /** Another after each start. */
  readonly instanceID: string;
}

export interface EventOptions {
  readonly source: EventSource;
  /** Whether events of manifests tell what these name. */
  readonly includeReferences: boolean;
  /** `https://host` by which clients reach this server, where `Host` does not say. */
  readonly publicOrigin: string | undefined;
}

interface Target {
  readonly mediaType?: string;
  readonly size?: number;
  readonly digest?: string;
  /** The size by its older name. */
  readonly length?: number;
  readonly repository: string;
  readonly fromRepository?: string | undefined;
  readonly url?: string;
  readonly tag?: string | undefined;
  readonly references?: readonly JsonObject[] | undefined;
}

export interface Event {
  readonly id: string;
  readonly timestamp: string;
  readonly action: Action;
  readonly target: Target;
  readonly request: {
    readonly id: string;
    readonly addr: string;
    readonly host: string;
    readonly method: string;
    readonly useragent: string;
  };
  /** Without a name for who has not logged in. */
  readonly actor: { readonly name?: string };
  readonly source: EventSource;
}

/** To the registry every blob is bytes. */
const blobMediaType = "application/octet-stream";

/** The event of what `exchange` did. */
export function eventOf(exchange: Exchange, occurrence: Occurrence, options: EventOptions): Event {
  const { id, method, incoming, identity, name = "" } = exchange;
  const origin = options.publicOrigin ?? `${incoming.peer.secure ? "https" : "http"}://${incoming.host}`;
  return {
    id: randomUUID(),
    timestamp: new Date().toISOString(),
    action: occurrence.action,
    target: targetOf(name, occurrence, `${origin}/v2/${name}`, options.includeReferences),
    request: {
      id,
      addr: incoming.peer.address,
      host: incoming.host,
      method,
      useragent: incoming.agent,
    },
    actor: identity === undefined || identity.kind === "anonymous" ? {} : { name: loginOf(identity) },
    source: options.source,
  };
}

function targetOf(
  repository: string,
  occurrence: Occurrence,
  base: string,
  includeReferences: boolean,
): Target {
  if ("manifest" in occurrence) {
    const { manifest, tag } = occurrence;
    const { mediaType, digest, bytes } = manifest;
    const size = bytes.length;
    const references = includeReferences ? referencesOf(bytes) : undefined;
    const url = `${base}/manifests/${digest}`;
    return { mediaType, size, digest, length: size, repository, url, tag, references };
  }
  if ("blob" in occurrence) {
    const { size, digest } = occurrence.blob;
    const fromRepository = "from" in occurrence ? occurrence.from : undefined;
    const url = `${base}/blobs/${digest}`;
    return { mediaType: blobMediaType, size, digest, length: size, repository, fromRepository, url };
  }
  return "digest" in occurrence
    ? { digest: occurrence.digest, repository }
    : { repository, tag: occurrence.tag };
}

/** As whoever it is has logged in. */
function loginOf({ kind, name }: Identity): string {
  return kind === "robot" && isRobotName(name) ? userNameOf(name) : name;
}

/** Of what the event is about, where it says; deletions do not. */
export function mediaTypeOf(occurrence: Occurrence): string | undefined {
  if ("manifest" in occurrence) return occurrence.manifest.mediaType;
  return "blob" in occurrence ? blobMediaType : undefined;
}
