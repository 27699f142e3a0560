/** What is read of a request before anything else is done with it: uWebSockets.js has it for one moment only. */
import type { HttpRequest } from "uWebSockets.js";
import type { Incoming } from "./exchange.js";
import { type Forwarded, type Front, frontOf } from "./forwarded.js";

/** What a request says of its body's length, as every other reader of it must understand it too. */
export type Framing = "clear" | "unclear";

export interface RequestHead
  extends Pick<Incoming, "headers" | "authorization" | "host" | "agent" | "requestId" | "front"> {
  readonly framing: Framing;
  readonly forwarded: Forwarded;
}

/** Those that fit a line of a log, whoever made them. */
const requestIds = /^[\w.:/+=@-]{1,128}$/;

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
  let framing: Framing = "clear";
  request.forEach((name, value) => {
    if (name === "content-length") {
      // uWebSockets.js takes the first of two lengths, and an empty one for none; a proxy may differ.
      if (length !== undefined || value === "") framing = "unclear";
      length = value;
    } else if (name === "transfer-encoding") {
      if (coding !== undefined || value.toLowerCase() !== "chunked") framing = "unclear";
      coding = value;
    } else if (name === "authorization") {
      authorization = joined(authorization, value);
    } else if (name === "host") {
      host = value;
    } else if (name === "user-agent") {
      agent = value;
    } else if (name === "x-request-id") {
      if (requestIds.test(value)) requestId = value;
    } else if (name.startsWith("x-forwarded-")) {
      const what = name.slice("x-forwarded-".length);
      if (isForwarded(what)) forwarded[what] = joined(forwarded[what], value);
      front = frontOf(front, name, value);
    } else {
      front = frontOf(front, name, value);
    }
    if (wanted.includes(name)) {
      headers[name] = joined(headers[name], value);
    }
  });
  return { headers, authorization, host, agent, requestId, forwarded, front, framing };
}

/** Several fields of one name are one with a list (RFC 9110, section 5.3). */
function joined(before: string | undefined, value: string): string {
  return before === undefined || before === "" ? value : `${before}, ${value}`;
}

function isForwarded(what: string): what is keyof Forwarded {
  return what === "for" || what === "proto" || what === "host";
}
