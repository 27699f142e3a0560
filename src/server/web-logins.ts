/** Opens the logins and sessions of the web page. Part of the composition root. */
import { randomBytes } from "node:crypto";
import { RegistryError } from "../domain/errors.js";
import type { Login } from "../http/context.js";
import { OidcFlows } from "../http/web/oidc-flows.js";
import { Sessions } from "../http/web/sessions.js";
import type { Web } from "../http/web/web.js";
import type { Services } from "../registry/services.js";
import type { SecretStore } from "../storage/storage.js";
import type { Opening } from "./opening.js";

const secretBytes = 32;

/** `login` is absent on a server without authentication. */
export async function openWebLogins(
  { config: { auth, http } }: Opening,
  { storage, cluster }: Services,
  login: Login | undefined,
): Promise<Pick<Web, "sessions" | "logins" | "flows">> {
  const secret = await secretOf(storage.secrets);
  const sessions = new Sessions({
    secret,
    seconds: http.ui.session,
    login,
    publicOrigin: http.host,
    changes: cluster.changes,
  });
  const flows = login?.oidc && new OidcFlows(secret, http.host);
  return { sessions, flows, logins: { users: auth.htpasswd !== undefined, outside: auth.token?.realm } };
}

/** In a read-only storage without a secret, sessions last as long as the process. */
async function secretOf(secrets: SecretStore): Promise<Buffer> {
  const create = () => randomBytes(secretBytes);
  try {
    return await secrets.secret("web-sessions", create);
  } catch (error) {
    if (error instanceof RegistryError && error.kind === "storage-read-only") return create();
    throw error;
  }
}
