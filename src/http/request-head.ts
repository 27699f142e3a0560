/** Reads a request's headers first of all: uWebSockets.js keeps them only for the duration of its callback. */
import type { HttpRequest } from "uWebSockets.js";
import { type Forwarded, type Front, frontOf } from "./forwarded.js";
import type { Incoming } from "./incoming.js";

/** Why a request is refused regardless of its route: another parser could interpret the same bytes differently. */
export type HeadFault = "length" | "host" | "trailer";

export interface RequestHead
  extends Pick<Incoming, "headers" | "authorization" | "host" | "agent" | "requestId" | "front"> {
  readonly fault: HeadFault | undefined;
  /** Whether the body is chunked. */
  readonly isChunked: boolean;
  readonly forwarded: Forwarded;
  /** Size of the header section in bytes. */
  readonly bytes: number;
}

/** `: ` and the line break. */
const bytesPerLine = 4;

/** Request IDs that are safe in a log line. */
const requestIds = /^[\w.:/+=@-]{1,128}$/;

/** A host by RFC 3986 with an optional port; empty if the target has none (RFC 9110, section 7.2). */
const hosts = /^(?:\[[\da-fA-F:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/;

/** Reads the headers that every request needs and those in `wanted`. */
export function readHead(request: HttpRequest, wanted: readonly string[]): RequestHead {
  const headers: Record<string, string> = {};
  let authorization = "";
  let host = "";
  let agent = "";
  let requestId = "";
  let front: Front = "none";
  const forwarded = { for: "", proto: "", host: "" };
  let length: string | undefined;
  let coding: string | undefined;
  let hasHost = false;
  let bytes = 0;
  let fault: HeadFault | undefined;
  request.forEach((name, value) => {
    bytes += name.length + value.length + bytesPerLine;
    if (name === "content-length") {
      // uWebSockets.js uses the first of two lengths and treats an empty one as absent; a proxy may differ.
      if (length !== undefined || value === "") fault = "length";
      length = value;
    } else if (name === "transfer-encoding") {
      if (coding !== undefined || value.toLowerCase() !== "chunked") fault = "length";
      coding = value;
    } else if (name === "authorization") {
      authorization = joined(authorization, value);
    } else if (name === "host") {
      // RFC 9112, section 3.2: 400 for a request with more than one, or an invalid one.
      if (hasHost || !hosts.test(value)) fault ??= "host";
      hasHost = true;
      host = value;
    } else if (name === "user-agent") {
      agent = value;
    } else if (name === "x-request-id") {
      if (requestIds.test(value)) requestId = value;
    } else if (name.startsWith("x-forwarded-")) {
      const what = name.slice("x-forwarded-".length);
      if (isWanted(what)) forwarded[what] = joined(forwarded[what], value);
      front = frontOf(front, name, value);
    } else if (name === "trailer") {
      fault ??= "trailer";
    } else {
      front = frontOf(front, name, value);
    }
    if (wanted.includes(name)) {
      headers[name] = joined(headers[name], value);
    }
  });
  if (!hasHost) fault ??= "host";
  const isChunked = coding !== undefined;
  return { headers, authorization, host, agent, requestId, forwarded, front, fault, isChunked, bytes };
}

/** Joins several fields of one name into one list (RFC 9110, section 5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined || before === "" ? value : `${before}, ${value}`;
}

function isWanted(what: string): what is keyof Forwarded {
  return what === "for" || what === "proto" || what === "host";
}
