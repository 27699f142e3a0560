/** Tests whether the login server of people can be reached: for `gantry config check`. Part of the composition root. */
import { openPolicy } from "../auth/policy.js";
import { describeError } from "../lib/describe-error.js";
import { type OidcSettings, openOidc } from "./oidc.js";

export interface OidcCheck {
  readonly what: string;
  /** A server starts without it. */
  readonly outcome: "fine" | "warning";
  readonly detail: string;
}

/** Rejects if a file that the settings name cannot be read. */
export async function checkOidc(settings: OidcSettings): Promise<OidcCheck> {
  const what = `reach ${settings.issuer}`;
  const told: Error[] = [];
  const { login } = await openOidc(settings, { policy: openPolicy }, (error) => told.push(error));
  try {
    await login.provider.configuration();
    return { what, outcome: "fine", detail: "it is a login server; the client's secret was not tested" };
  } catch (error) {
    return { what, outcome: "warning", detail: describeError(told[0] ?? error) };
  }
}
