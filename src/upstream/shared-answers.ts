/** What other nodes have learned from an upstream a moment ago, so that this one need not ask. */
import type { Hints } from "../cluster/cluster.js";
import type { ObjectKind } from "./counts.js";

export class SharedAnswers {
  constructor(
    readonly hints: Hints,
    /** A manifest may have the digest of a blob. */
    readonly kind: ObjectKind,
    /** How long it is remembered that an upstream does not have something. */
    readonly absentMilliseconds: number,
  ) {}

  /** Resolves with whether an upstream has answered a node that it has no object of this name. */
  async isAbsent(key: string): Promise<boolean> {
    return this.absentMilliseconds > 0 && (await this.hints.get(`absent ${this.kind} ${key}`)) !== undefined;
  }

  setAbsent(key: string): void {
    if (this.absentMilliseconds > 0)
      this.hints.put(`absent ${this.kind} ${key}`, "1", this.absentMilliseconds);
  }

  /**
   * Resolves with how many milliseconds ago a node has compared the tag with its upstream, if that is less than
   * `millisecondsMax`. The clocks of nodes may differ, so a tag may count as compared for twice that time.
   */
  async sinceCompared(key: string, millisecondsMax: number): Promise<number | undefined> {
    const at = Number((await this.hints.get(`compared ${key}`)) ?? Number.NaN);
    const since = Math.max(0, Date.now() - at);
    return since < millisecondsMax ? since : undefined;
  }

  setCompared(key: string, milliseconds: number): void {
    this.hints.put(`compared ${key}`, String(Date.now()), milliseconds);
  }
}
