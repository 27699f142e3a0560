/**
 * Which repositories a label tells by name: the first so many that a request has succeeded on. All others are one, so
 * that neither jobs that push to ever new names nor who asks for names that nobody has make series without end.
 */
import type { Exchange } from "../../http/exchange.js";

/** No repository has this name's capitals, and so none is taken for it. */
const others = "OTHER";

export class RepositoryLabels {
  readonly #told = new Set<string>();

  constructor(readonly max: number) {}

  /** Empty for a request that is about no repository. */
  of({ name, status }: Pick<Exchange, "name" | "status">): string {
    if (name === undefined) return "";
    if (this.#told.has(name)) return name;
    if (this.#told.size >= this.max || status < 200 || status >= 400) return others;
    this.#told.add(name);
    return name;
  }
}
