/**
 * Chooses the repositories with their own label: the first on which a request has succeeded. All others share one, so that
 * neither jobs that push to new names nor requests for unknown names create unbounded series.
 */
import type { Exchange } from "../../http/exchange.js";

/** Repository names have no capitals, so none equals this. */
const others = "OTHER";

export class RepositoryLabels {
  readonly #told = new Set<string>();

  constructor(readonly max: number) {}

  /** Returns an empty label for a request without a repository. */
  of({ name, status }: Pick<Exchange, "name" | "status">): string {
    if (name === undefined) return "";
    if (this.#told.has(name)) return name;
    if (this.#told.size >= this.max || status < 200 || status >= 400) return others;
    this.#told.add(name);
    return name;
  }
}
