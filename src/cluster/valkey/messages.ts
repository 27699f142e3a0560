/**
 * Questions from one node to others, and their answers. Those of one turn of the event loop travel together. A question is
 * sent again while a node in touch has not answered, and each node acts on it once.
 */
import { LRUCache } from "lru-cache";
import { describeError } from "../../lib/describe-error.js";
import type { NodeName } from "../cluster.js";
import { type Engine, unavailable } from "./engine.js";
import type { Membership } from "./membership.js";
import {
  type AnswerTo,
  answers,
  type Packet,
  packetCharactersMax,
  parsePacket,
  type Question,
  type QuestionOf,
} from "./protocol.js";
import { noticedAfter } from "./times.js";

/** Resolves with the answer. It is called once for each question. */
export type Handler<K extends Question["kind"]> = (
  question: QuestionOf<K>,
  from: NodeName,
) => AnswerTo<K> | Promise<AnswerTo<K>>;

/** The nodes that answered, and those that did not in time. */
export interface Answers<K extends Question["kind"]> {
  readonly given: ReadonlyMap<NodeName, AnswerTo<K>>;
  readonly silent: readonly NodeName[];
}

export interface AskOptions {
  /** The nodes to ask; by default all others that are registered. */
  readonly of?: readonly NodeName[];
  /** A node in touch has this long to answer. */
  readonly waitMilliseconds?: number;
}

interface Asked {
  readonly number: number;
  readonly question: Question;
  readonly waiting: Set<NodeName>;
  readonly isBroadcast: boolean;
  answer(from: NodeName, value: unknown, error: string | undefined): void;
}

/** Questions that are kept to recognize them when they are sent again. */
const recentMax = 10_000;

const againMilliseconds = 1_000;

/** Bytes of questions in one packet; a single question has fewer than `packetCharactersMax`. */
const packetCharacters = packetCharactersMax / 4;

export class Messages {
  readonly #handlers = new Map<string, (question: Question, from: NodeName) => unknown>();
  readonly #asked = new Map<number, Asked>();
  readonly #recent = new LRUCache<string, Promise<unknown>>({ max: recentMax });
  readonly #outbox = new Map<string, { asked: string[]; answered: string[]; characters: number }>();
  readonly #timer: NodeJS.Timeout;
  /** The beginning of each packet of this node. */
  readonly #ownStart: string;
  #numbers = 0;
  #ticks = 0;
  #isFlushing = false;

  constructor(
    readonly engine: Engine,
    readonly members: Membership,
    readonly onError: (error: unknown) => void,
  ) {
    this.#ownStart = `{"from":${JSON.stringify(members.name)},`;
    this.#timer = setInterval(() => this.#look(), members.options.times.beatMilliseconds).unref();
  }

  /** The channels on which this node receives. */
  get channels(): readonly string[] {
    return ["all", this.members.name, this.members.channel];
  }

  on<K extends Question["kind"]>(kind: K, handler: Handler<K>): void {
    this.#handlers.set(kind, handler as (question: Question, from: NodeName) => unknown);
  }

  /** Sends a question without waiting for answers. */
  tell(question: Question, to?: NodeName): void {
    this.#send(to ?? "all", "asked", JSON.stringify({ question }));
  }

  /**
   * Resolves when each asked node has answered or is silent: it is known to be out of touch, or did not answer in time. Rejects
   * with the first error of a node, after all have answered.
   */
  ask<K extends Question["kind"]>(
    question: QuestionOf<K>,
    { of, waitMilliseconds = Number.POSITIVE_INFINITY }: AskOptions = {},
  ): Promise<Answers<K>> {
    const { members } = this;
    const asked = of ?? members.others();
    if (asked.length === 0) return Promise.resolve({ given: new Map(), silent: [] });
    const number = ++this.#numbers;
    const begun = performance.now();
    const noticed = noticedAfter(members.options.times);
    return new Promise((resolve, reject) => {
      const given = new Map<NodeName, AnswerTo<K>>();
      let failure: unknown;
      const waiting = new Set(asked);
      const end = () => {
        this.#asked.delete(number);
        clearInterval(timer);
        if (failure === undefined) resolve({ given, silent: [...waiting] });
        else reject(failure);
      };
      const look = () => {
        const waited = performance.now() - begun;
        const isUseless = members.isInTouch
          ? [...waiting].every((name) => members.isSilent(name)) &&
            waited > members.options.times.touchMilliseconds
          : members.sinceTouch > noticed;
        if (isUseless || waited > waitMilliseconds) end();
      };
      const timer = setInterval(look, members.options.times.beatMilliseconds).unref();
      const answer = (from: NodeName, value: unknown, error: string | undefined) => {
        if (!waiting.delete(from)) return;
        const read = error === undefined ? answers[question.kind].safeParse(value ?? null) : undefined;
        if (read?.success === true) given.set(from, read.data as AnswerTo<K>);
        else failure ??= unavailable(`the node ${from} failed: ${error ?? "its answer is malformed"}`);
        if (waiting.size === 0) end();
      };
      const isBroadcast = of === undefined || of.length > 1;
      const entry: Asked = { number, question, waiting, isBroadcast, answer };
      this.#asked.set(number, entry);
      this.#pose(entry);
    });
  }

  /** Nodes that were not asked ignore the question only if it is sent to one. */
  #pose({ number, question, waiting, isBroadcast }: Asked): void {
    const text = JSON.stringify({ number, question });
    if (isBroadcast) this.#send("all", "asked", text);
    else for (const name of waiting) this.#send(name, "asked", text);
  }

  /** Sends again what has not been answered. */
  #look(): void {
    const ticksPerLook = Math.ceil(againMilliseconds / this.members.options.times.beatMilliseconds);
    if (++this.#ticks % ticksPerLook !== 0 || !this.members.isInTouch) return;
    for (const asked of this.#asked.values()) this.#pose(asked);
  }

  #send(channel: string, part: "asked" | "answered", text: string): void {
    const box = this.#outbox.get(channel) ?? { asked: [], answered: [], characters: 0 };
    box[part].push(text);
    box.characters += text.length;
    this.#outbox.set(channel, box);
    if (box.characters > packetCharacters) this.#flush();
    if (this.#isFlushing) return;
    this.#isFlushing = true;
    setImmediate(() => {
      this.#isFlushing = false;
      this.#flush();
    });
  }

  #flush(): void {
    for (const [channel, { asked, answered }] of this.#outbox) {
      const text = `${this.#ownStart}"asked":[${asked.join()}],"answered":[${answered.join()}]}`;
      // What is lost is asked again.
      this.engine.publish(channel, text).catch(() => {});
    }
    this.#outbox.clear();
  }

  receive(channel: string, text: string): void {
    if (channel === this.members.channel) {
      this.members.echo(text);
      return;
    }
    // What this node sends to all comes back to it.
    if (text.startsWith(this.#ownStart)) return;
    let packet: Packet;
    try {
      packet = parsePacket(text);
    } catch (error) {
      this.onError(error);
      return;
    }
    for (const { number, value, error } of packet.answered ?? [])
      this.#asked.get(number)?.answer(packet.from, value, error);
    for (const { number, question } of packet.asked ?? []) this.#handle(packet.from, number, question);
  }

  #handle(from: NodeName, number: number | undefined, question: Question): void {
    const handler = this.#handlers.get(question.kind);
    if (handler === undefined) return;
    const key = number === undefined ? undefined : `${from} ${number}`;
    const answered = key === undefined ? undefined : this.#recent.get(key);
    const answering = answered ?? run(() => handler(question, from));
    if (key === undefined) {
      answering.catch(this.onError);
      return;
    }
    this.#recent.set(key, answering);
    // It is answered when it ends, and again if it is asked again afterwards.
    answering.then(
      (value) => this.#send(from, "answered", JSON.stringify({ number, value })),
      (error: unknown) =>
        this.#send(from, "answered", JSON.stringify({ number, error: describeError(error) })),
    );
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#flush();
  }
}

/** Calls `work` in this turn. */
async function run(work: () => unknown): Promise<unknown> {
  return work();
}
