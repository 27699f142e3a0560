/** What every handler is given beside its request. */
import type { Services } from "../registry/services.js";

export interface HttpContext {
  readonly services: Services;
}
