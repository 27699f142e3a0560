/** An exhaustive model checker: visits every state that any interleaving of atomic steps can reach. */

/** A step that a state allows, by its name and the state that it leads to. */
export type Step<S> = readonly [name: string, next: S];

export interface Model<S> {
  readonly start: S;
  /** All steps that are possible in the state. A state without any is an end. */
  steps(state: S): Iterable<Step<S>>;
  /** Returns what is wrong with the state, `undefined` if nothing is. */
  fault(state: S): string | undefined;
  /** The same for a state in which nothing more can happen. */
  faultAtEnd?(state: S): string | undefined;
}

export interface Explored {
  readonly states: number;
  readonly ends: number;
  /** The shortest way to a fault. */
  readonly fault?: { readonly what: string; readonly trace: readonly string[] };
}

/** Visits all states breadth first, so that the first fault has the shortest trace. */
export function explore<S>(model: Model<S>): Explored {
  const from = new Map<string, { readonly before: string | undefined; readonly step: string }>();
  const first = JSON.stringify(model.start);
  from.set(first, { before: undefined, step: "start" });
  let ends = 0;
  const traceTo = (key: string): string[] => {
    const trace: string[] = [];
    for (let at: string | undefined = key; at !== undefined; ) {
      const reached = from.get(at);
      if (reached === undefined) break;
      trace.unshift(reached.step);
      at = reached.before;
    }
    return trace;
  };
  for (let layer = [first]; layer.length > 0; ) {
    const next: string[] = [];
    for (const key of layer) {
      const state = JSON.parse(key) as S;
      let fault = model.fault(state);
      let isEnd = true;
      for (const [step, after] of model.steps(state)) {
        isEnd = false;
        const afterKey = JSON.stringify(after);
        if (from.has(afterKey)) continue;
        from.set(afterKey, { before: key, step });
        next.push(afterKey);
      }
      if (isEnd) {
        ends++;
        fault ??= model.faultAtEnd?.(state);
      }
      if (fault !== undefined)
        return { states: from.size, ends, fault: { what: fault, trace: traceTo(key) } };
    }
    layer = next;
  }
  return { states: from.size, ends };
}
