/** The identity of a person, from the claims of the login server. Pure. */
import { createHash } from "node:crypto";
import { RegistryError } from "../../domain/errors.js";
import { isPrintable } from "../certificate.js";
import { anonymous, type Identity, oidcPrefix, type PasswordVerifier } from "../identity.js";

export interface NamingOptions {
  readonly issuer: string;
  readonly clientId: string;
  readonly usernameClaim: string;
  readonly groupsClaim: string | undefined;
  /** Whether the policy depends on the group. */
  readonly namesGroup: (group: string) => boolean;
}

type Claims = Readonly<Record<string, unknown>>;

/** A session must fit into a cookie of 4 KiB. */
const groupBytesMax = 2_000;

/** Throws `unauthorized` if a claim is missing or cannot be a name. */
export function identityOf(claims: Claims, options: NamingOptions): Identity {
  const { usernameClaim } = options;
  const name = claims[usernameClaim];
  if (typeof name !== "string" || !isPrintable(name))
    throw new RegistryError("unauthorized", `the ID token has no valid claim "${usernameClaim}"`);
  if (usernameClaim === "email" && claims.email_verified === false)
    throw new RegistryError("unauthorized", "the e-mail address in the ID token is not verified");
  return {
    ...anonymous,
    kind: "user",
    subject: `user:${oidcPrefix}${name}`,
    name: `${oidcPrefix}${name}`,
    groups: groupsOf(claims, options),
    version: versionOf(options),
  };
}

/** Returns those that the policy names, then others, as far as they fit into a session. */
function groupsOf(claims: Claims, { groupsClaim, namesGroup }: NamingOptions): string[] {
  const given: unknown = groupsClaim === undefined ? [] : claims[groupsClaim];
  const list: readonly unknown[] = Array.isArray(given) ? given : [given];
  const groups = [...new Set(list.filter((group) => typeof group === "string"))].filter(isPrintable);
  const named = groups.filter(namesGroup);
  let bytes = named.reduce((sum, group) => sum + Buffer.byteLength(group) + 3, 0);
  const others = groups.filter((group) => {
    if (namesGroup(group) || bytes + Buffer.byteLength(group) + 3 > groupBytesMax) return false;
    bytes += Buffer.byteLength(group) + 3;
    return true;
  });
  return [...named, ...others];
}

/** Changes with the settings that decide who a name is. */
function versionOf({ issuer, clientId, usernameClaim }: NamingOptions): string {
  const text = JSON.stringify([issuer, clientId, usernameClaim]);
  return createHash("sha256").update(text).digest("base64url").slice(0, 16);
}

/** People of the login server are known as long as it is in the settings. They log in there, never by password. */
export function oidcUsers(options: NamingOptions): PasswordVerifier {
  const current = versionOf(options);
  return {
    verify: () => undefined,
    isCurrent: ({ kind, name, version }) =>
      kind === "user" && name.startsWith(oidcPrefix) ? version === current : undefined,
  };
}
