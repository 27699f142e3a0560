/** Searches names for a text: whole components first, then beginnings of components, then any place. */
import type { Visible } from "../auth/gate.js";
import { placeOf } from "../domain/page.js";
import { nameCharactersMax, type RepositoryName } from "../domain/repository-name.js";
import type { Deadline } from "../lib/deadline.js";
import type { Pieces } from "../lib/pieces.js";

export interface FoundNames {
  /** The best first, and those that are equally good in ASCII order. */
  readonly names: readonly RepositoryName[];
  /** Whether there are more. */
  readonly more: boolean;
  /** Whether all names were searched. */
  readonly complete: boolean;
}

export interface NameSearch {
  readonly text: string;
  /** Maximum number of names. */
  readonly n: number;
}

/** The names to search. */
export interface SearchedNames {
  /** In ASCII order. They may change between two pieces of the search. */
  readonly names: () => readonly RepositoryName[];
  readonly shown: Pick<Visible, "has">;
}

/** Stops at the deadline. */
export async function searchNames(
  { names, shown }: SearchedNames,
  { text, n }: NameSearch,
  deadline: Deadline,
  pieces: Pieces,
): Promise<FoundNames> {
  const wanted = text.trim().toLowerCase();
  if (wanted === "" || wanted.length > nameCharactersMax) return { names: [], more: false, complete: true };
  const found: Record<Rank, RepositoryName[]> = { component: [], beginning: [], inside: [] };
  const end = (complete: boolean) => {
    const best = [...found.component, ...found.beginning, ...found.inside];
    return { names: best.slice(0, n), more: best.length > n, complete };
  };
  let last = "";
  for (;;) {
    await pieces.begin();
    const all = names();
    let place = placeOf(all, last);
    if (all[place] === last) place++;
    for (; place < all.length && !pieces.step(); place++) {
      const name = all[place] as RepositoryName;
      last = name;
      const rank = rankOf(name, wanted);
      // The policy is asked last, and only about names that would be shown.
      if (rank !== undefined && found[rank].length <= n && shown.has(name)) found[rank].push(name);
    }
    if (place === all.length || found.component.length > n) return end(true);
    if (deadline.isOver) return end(false);
  }
}

/** What a name has of the text: a whole component, the beginning of one, or any other part. The first is the best. */
export type Rank = "component" | "beginning" | "inside";

/** Returns `undefined` if the name does not have the text. */
export function rankOf(name: string, text: string): Rank | undefined {
  let rank: Rank | undefined;
  for (let at = name.indexOf(text); at !== -1; at = name.indexOf(text, at + 1)) {
    rank ??= "inside";
    if (at !== 0 && name[at - 1] !== "/") continue;
    const end = at + text.length;
    if (end === name.length || name[end] === "/") return "component";
    rank = "beginning";
  }
  return rank;
}
