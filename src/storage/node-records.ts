/**
 * A record in the storage for each node that works without the engine of its cluster, so that the other nodes know of it. Ages
 * are measured by the storage's clock.
 */
export interface NodeRecords {
  /** Writes the record of a node, or renews it. The storage has it when this resolves. */
  renew(node: string): Promise<void>;
  /** Resolves with whether the record of a node was renewed within `milliseconds`. */
  isYoung(node: string, milliseconds: number): Promise<boolean>;
  /** Resolves with all nodes whose record was renewed within `milliseconds`. May remove records that are much older. */
  young(milliseconds: number): Promise<string[]>;
}
