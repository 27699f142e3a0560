/** One process among those of a server, as its parts of the cluster port see it. */
import type { Duplex } from "node:stream";
import { RegistryError } from "../../domain/errors.js";
import type { NodeName } from "../cluster.js";
import { Clocks } from "./frames.js";
import { Failed, Gone, Link } from "./link.js";
import {
  type AnswerTo,
  type Kind,
  parseAnswer,
  parseAnswers,
  type Question,
  type QuestionOf,
} from "./protocol.js";

/** Returns the answer. Called in the turn in which the question arrives. */
export type Handler<K extends Kind> = (
  question: QuestionOf<K>,
  from: NodeName,
) => AnswerTo<K> | Promise<AnswerTo<K>>;

/** Answers questions by the handlers of their kinds. */
export class Handlers {
  readonly #handlers = new Map<string, (question: Question, from: NodeName) => unknown>();

  on<K extends Kind>(kind: K, handler: Handler<K>): void {
    this.#handlers.set(kind, handler as (question: Question, from: NodeName) => unknown);
  }

  async answer(question: Question, from: NodeName): Promise<unknown> {
    const handler = this.#handlers.get(question.kind);
    if (handler === undefined) throw new Error(`nobody answers questions of the kind ${question.kind}`);
    return handler(question, from);
  }
}

export interface Peer {
  readonly name: NodeName;
  readonly clocks: Clocks;
  readonly handlers: Handlers;
  /** Resolves with the answers of all other nodes that have not ended meanwhile. Rejects if one fails. */
  ask<K extends Kind>(question: QuestionOf<K>): Promise<ReadonlyMap<NodeName, AnswerTo<K>>>;
  /** Resolves with `undefined` if that node has ended. */
  askNode<K extends Kind>(node: NodeName, question: QuestionOf<K>): Promise<AnswerTo<K> | undefined>;
  askHub<K extends Kind>(question: QuestionOf<K>): Promise<AnswerTo<K>>;
  tell(to: "hub" | "others" | NodeName, question: Question): void;
}

/** Makes the failure of another process one that clients may wait for. */
export function asUnavailable(error: unknown): never {
  if (error instanceof Failed || error instanceof Gone)
    throw new RegistryError(
      "cluster-unavailable",
      `another process of this server failed: ${error.message}`,
      undefined,
      {
        cause: error,
      },
    );
  throw error;
}

/** A process that the first one has started. */
export class LinkedPeer implements Peer {
  readonly handlers = new Handlers();
  readonly clocks = new Clocks();
  readonly link: Link;

  constructor(
    readonly name: NodeName,
    stream: Duplex,
    events: { readonly onClosed: () => void; readonly onError: (error: unknown) => void },
  ) {
    this.link = new Link(stream, this.clocks, {
      ...events,
      onAsked: ({ node, question }) => this.handlers.answer(question, node as NodeName),
    });
  }

  async ask<K extends Kind>(question: QuestionOf<K>): Promise<ReadonlyMap<NodeName, AnswerTo<K>>> {
    const value = await this.link.ask("others", question).catch(asUnavailable);
    return new Map(parseAnswers(question.kind as K, value) as [NodeName, AnswerTo<K>][]);
  }

  async askNode<K extends Kind>(node: NodeName, question: QuestionOf<K>): Promise<AnswerTo<K> | undefined> {
    const value = await this.link.ask(node, question).catch(asUnavailable);
    const [only] = parseAnswers(question.kind as K, value);
    return only?.[1];
  }

  async askHub<K extends Kind>(question: QuestionOf<K>): Promise<AnswerTo<K>> {
    return parseAnswer(question.kind as K, await this.link.ask("hub", question).catch(asUnavailable));
  }

  tell(to: "hub" | "others" | NodeName, question: Question): void {
    this.link.tell(to, question);
  }
}
