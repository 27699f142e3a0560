/** The metrics on the API's port, if a setting enables them, for callers to whom the policy grants them. */
import type { MetricsPermit } from "../auth/gate.js";
import { RegistryError } from "../domain/errors.js";
import type { HttpContext } from "./context.js";
import type { Exchange } from "./exchange.js";

export async function getMetrics(
  { metrics }: HttpContext,
  exchange: Exchange,
  _: MetricsPermit,
): Promise<void> {
  if (metrics === undefined)
    throw new RegistryError("path-unknown", "this server has no metrics here: http.metrics.enabled is off");
  const { status, headers, body } = await metrics();
  exchange.send(status, headers, body);
}
