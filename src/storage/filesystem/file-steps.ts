/**
 * File operations that a driver has a worker do in one go: each by itself is a way to another thread and back,
 * which costs more than most of them do (docs/decisions/0026). Steps run in their order up to the first that
 * fails; what was done before it stays. What is written, copied or named by `sync` is on stable storage before the
 * next step, where that is wanted.
 */
export type FileStep =
  /** A new file; the name is not on stable storage. */
  | { readonly do: "write"; readonly file: string; readonly bytes: Uint8Array | string }
  | { readonly do: "copy"; readonly from: string; readonly to: string }
  /** Another name for a file; a copy where it has as many as the file system allows. */
  | { readonly do: "link"; readonly from: string; readonly to: string }
  | { readonly do: "make folder"; readonly folder: string }
  | { readonly do: "sync folder"; readonly folder: string }
  | { readonly do: "rename"; readonly from: string; readonly to: string }
  /** No error where there is no such file. */
  | { readonly do: "remove"; readonly file: string };

/** How long each sync took, in milliseconds. */
export interface SyncTimes {
  readonly files: number[];
  readonly folders: number[];
}

/** Rejects with what the system says. */
export type DoSteps = (steps: readonly FileStep[]) => Promise<SyncTimes>;
