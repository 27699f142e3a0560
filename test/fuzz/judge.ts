// Properties that no response may have, whatever the request was.

import { claimsOf, type FuzzRequest } from "./requests.js";
import { secretMark, sharedMark } from "./world.js";

/** Returns what is wrong with a request's responses, given as latin 1, or `undefined`. */
export function faultOf({ text, privileged }: FuzzRequest, answered: string): string | undefined {
  const statuses = Array.from(answered.matchAll(/HTTP\/1\.1 (\d{3}) /g), ([, status]) => Number(status));
  if (statuses.includes(500)) return "an unexpected error";
  if (!statuses.some((status) => status >= 200 && status < 400)) return undefined;
  const [method = "", target = ""] = text.trimStart().split(" ", 2);
  if (method === "OPTIONS" && answersOf(answered).every(isPreflights)) return undefined;
  const path = decoded(target.split("?", 1)[0] ?? "");
  if (!["GET", "HEAD"].includes(method.toUpperCase()) && !path.startsWith("/token"))
    return "something was done";
  for (const mark of privileged ? [secretMark] : [secretMark, sharedMark]) {
    if (path.includes(`${mark}/`)) return `the response is about ${mark}`;
    if (answersOf(answered).some((answer) => answer.includes(mark))) return `the response reveals ${mark}`;
  }
  return faultOfToken(answered, privileged);
}

/** The responses that grant access: an error may contain the requested name. */
function answersOf(answered: string): string[] {
  return answered.split(/(?=HTTP\/1\.1 \d{3} )/).filter((answer) => /^HTTP\/1\.1 [23]/.test(answer));
}

/** Returns the methods of a path, from its form alone. */
function isPreflights(answer: string): boolean {
  return /^Allow: [A-Z, ]*OPTIONS\r$/m.test(answer) && /^Content-Length: 0\r$/im.test(answer);
}

/** Decoded repeatedly, as often as any software might. */
function decoded(path: string): string {
  const once = path.replace(/%([0-9a-f]{2})/gi, (_, hex) => String.fromCharCode(Number.parseInt(hex, 16)));
  return once === path ? path.toLowerCase() : decoded(once);
}

function faultOfToken(answered: string, privileged: boolean): string | undefined {
  const token = /"token":"([^"]+)"/.exec(answered)?.[1];
  if (token === undefined) return undefined;
  const access = claimsOf(token).access as readonly { type: string; name: string; actions: string[] }[];
  const allowed = privileged ? ["public", sharedMark] : ["public"];
  const excess = access.find(({ type, name, actions }) => {
    if (type === "registry") return false;
    return !allowed.includes(name.split("/")[0] ?? "") || actions.some((action) => action !== "pull");
  });
  return excess && `a token was issued for ${excess.actions} of ${excess.name}`;
}
