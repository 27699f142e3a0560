/** What every handler is given beside its request and its permit. */
import type { Services } from "../registry/services.js";

export interface HttpContext {
  readonly services: Services;
}
