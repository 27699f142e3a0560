/** Opens the login server of people, which is not asked before somebody logs in. Part of the composition root. */
import type { Logger } from "pino";
import type { Gate } from "../auth/gate.js";
import type { PasswordVerifier } from "../auth/identity.js";
import { oidcUsers } from "../auth/oidc/names.js";
import { OidcProvider } from "../auth/oidc/provider.js";
import type { AuthSettings } from "../config/auth.js";
import { readText } from "../config/text-file.js";
import type { OidcLogin } from "../http/context.js";

export type OidcSettings = NonNullable<AuthSettings["oidc"]>;

export interface OpenedOidc {
  readonly login: OidcLogin & { readonly provider: OidcProvider };
  /** Knows who has logged in there. */
  readonly users: PasswordVerifier;
}

/** Rejects if a file that the settings name cannot be read. */
export async function openOidc(
  settings: OidcSettings,
  gate: Pick<Gate, "policy">,
  onError: (error: Error) => void,
): Promise<OpenedOidc> {
  const { issuer, clientid, clientsecret, clientsecretfile, scopes, usernameclaim, groupsclaim } = settings;
  const secret = clientsecretfile === undefined ? undefined : (await readText(clientsecretfile)).trim();
  if (secret === "") throw new Error(`${clientsecretfile} is empty; it must contain the secret`);
  const options = {
    issuer,
    clientId: clientid,
    clientSecret: secret ?? clientsecret?.reveal(),
    scopes,
    usernameClaim: usernameclaim,
    groupsClaim: groupsclaim,
    ca: settings.ca === undefined ? undefined : await readText(settings.ca),
    namesGroup: (group: string) => gate.policy.namesGroup(group),
    onError,
  };
  return {
    login: { provider: new OidcProvider(options), label: settings.label },
    users: oidcUsers(options),
  };
}

/** Logs failures of logins. Any visitor can cause them, so they are warnings without a stack. */
export function oidcWarnings(log: Logger): (error: Error) => void {
  return ({ message, cause }) => {
    const reason = cause instanceof Error ? cause.message : undefined;
    log.warn({ reason }, `a login by OpenID Connect failed: ${message}`);
  };
}
