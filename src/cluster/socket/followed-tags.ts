/**
 * The tags whose changes this process receives: those that it has in its caches, or all while somebody looks at its pages. The
 * hub sends it no others, so a push costs no message for each process.
 */
import type { TagsKey } from "../cluster.js";
import type { Peer } from "./peer.js";

export interface FollowBounds {
  /** About 100 bytes each, here and in the hub. */
  readonly tagsMax: number;
  /** How long all changes are received after the last call. */
  readonly allMilliseconds: number;
}

export const defaultFollowBounds: FollowBounds = { tagsMax: 20_000, allMilliseconds: 10 * 60_000 };

export class FollowedTags {
  readonly #followed = new Set<TagsKey>();
  /** Questions that the hub has not answered yet. */
  #asked = new Set<TagsKey>();
  #hasAll = false;
  #askingForAll: Promise<void> | undefined;
  #timer: NodeJS.Timeout | undefined;

  constructor(
    readonly peer: Peer,
    /** Called when this process no longer receives changes that it has received. */
    readonly onLost: () => void,
    readonly bounds: FollowBounds,
  ) {}

  get hasAll(): boolean {
    return this.#hasAll;
  }

  has(of: TagsKey): boolean {
    return this.#hasAll || this.#followed.has(of);
  }

  follow(of: TagsKey): void {
    if (this.#followed.has(of) || this.#asked.has(of)) return;
    if (this.#followed.size + this.#asked.size >= this.bounds.tagsMax) this.#forget();
    const asked = this.#asked;
    asked.add(of);
    this.peer.askHub<"follow">({ kind: "follow", of }).then(
      () => {
        asked.delete(of);
        // Unless the hub has been told to forget it.
        if (asked === this.#asked) this.#followed.add(of);
      },
      () => asked.delete(of),
    );
  }

  /** Begins anew. Messages arrive in order, so that the hub knows what is followed from now on. */
  #forget(): void {
    this.#followed.clear();
    this.#asked = new Set();
    this.peer.tell("hub", { kind: "unfollow" });
    this.onLost();
  }

  followAll(): Promise<void> | undefined {
    this.#timer ??= setTimeout(() => this.#stop(), this.bounds.allMilliseconds).unref();
    this.#timer.refresh();
    if (this.#hasAll) return undefined;
    this.#askingForAll ??= this.peer
      .askHub<"follow all">({ kind: "follow all", isOn: true })
      .then(() => {
        this.#hasAll = true;
        // It may have ended while the hub was asked, and would then never stop.
        this.#timer?.refresh();
      })
      .finally(() => {
        this.#askingForAll = undefined;
      });
    return this.#askingForAll;
  }

  #stop(): void {
    if (!this.#hasAll) return;
    this.#hasAll = false;
    this.peer.tell("hub", { kind: "follow all", isOn: false });
    this.onLost();
  }
}
