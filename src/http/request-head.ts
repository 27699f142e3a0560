/** What is read of a request before anything else is done with it: uWebSockets.js has it for one moment only. */
import type { HttpRequest } from "uWebSockets.js";
import type { Incoming } from "./exchange.js";
import { type Forwarded, type Front, frontOf } from "./forwarded.js";

/** Why a request is refused whatever it asks for: another reader of the same bytes could understand it differently. */
export type HeadFault = "length" | "host" | "trailer";

export interface RequestHead
  extends Pick<Incoming, "headers" | "authorization" | "host" | "agent" | "requestId" | "front"> {
  readonly fault: HeadFault | undefined;
  /** Whether the body comes in chunks. */
  readonly isChunked: boolean;
  readonly forwarded: Forwarded;
  /** Bytes of the header section, as its lines would have them. */
  readonly bytes: number;
}

/** `: ` and the end of the line. */
const bytesPerLine = 4;

/** Those that fit a line of a log, whoever made them. */
const requestIds = /^[\w.:/+=@-]{1,128}$/;

/** RFC 3986's host, with a port or none; empty where the target has none (RFC 9110, section 7.2). */
const hosts = /^(?:\[[\da-fA-F:.]+\]|[\w.~!$&'()*+,;=%-]*)(?::\d*)?$/;

/** The headers that everybody needs, and those that are `wanted`. */
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
      // uWebSockets.js takes the first of two lengths, and an empty one for none; a proxy may differ.
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

/** Several fields of one name are one with a list (RFC 9110, section 5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined || before === "" ? value : `${before}, ${value}`;
}

function isWanted(what: string): what is keyof Forwarded {
  return what === "for" || what === "proto" || what === "host";
}
