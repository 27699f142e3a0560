/**
 * The first process among those of a server: passes questions on between the nodes, and keeps the queues for locks, sessions and
 * work that runs once. When a node ends, the hub releases what it held.
 */
import type { Duplex } from "node:stream";
import { allEnded } from "../../lib/in-parallel.js";
import type { NodeName } from "../cluster.js";
import { MemoryHints } from "../memory/hints.js";
import { nodeOf } from "../node-name.js";
import { Clocks } from "./frames.js";
import { HubFollowers } from "./hub-followers.js";
import { HubLocks } from "./hub-locks.js";
import { HubOnce } from "./hub-once.js";
import { HubUploads } from "./hub-uploads.js";
import { Failed, Gone, Link } from "./link.js";
import { asUnavailable, Handlers, type Peer } from "./peer.js";
import { type AnswerTo, type Kind, parseAnswer, type Question, type QuestionOf } from "./protocol.js";

/** How the hub reaches a node. */
interface NodeLink {
  ask(from: NodeName, question: Question): Promise<unknown>;
  tell(from: NodeName, question: Question): void;
}

export class Hub {
  readonly #nodes = new Map<NodeName, NodeLink>();
  readonly #handlers = new Handlers();
  readonly #locks: HubLocks;
  readonly #once: HubOnce;
  readonly #uploads: HubUploads;
  readonly #followers = new HubFollowers();
  readonly #hints = new MemoryHints();
  /** By token. */
  readonly #notings = new Map<string, QuestionOf<"noting">>();
  readonly #links = new Set<Link>();
  readonly #clocks = new Clocks();
  #sentBefore = 0;
  #pausedUntil = 0;

  constructor(readonly onError: (error: unknown) => void) {
    this.#locks = new HubLocks({
      isNode: (node) => this.#nodes.has(node),
      ask: (from, question) => this.#askOthers(from, question),
      tell: (from, question) => this.#tellOthers(from, question),
    });
    this.#once = new HubOnce((node, question) => this.#nodes.get(node)?.tell(node, question));
    this.#uploads = new HubUploads({
      isNode: (node) => this.#nodes.has(node),
      ask: async (node, from, question) => (await this.#askOne(node, from, question))[0]?.[1],
    });
    const handlers = this.#handlers;
    handlers.on("enter", (asked, from) => this.#locks.enter(asked, from));
    handlers.on("leave", ({ token }, from) => this.#locks.leave(token, from));
    handlers.on("follow", ({ of }, from) => this.#followers.follow(of, from));
    handlers.on("unfollow", (_, from) => this.#followers.unfollow(from));
    handlers.on("follow all", ({ isOn }, from) => this.#followers.followAll(isOn, from));
    handlers.on("once", ({ key }, from) => this.#once.begin(key, from));
    handlers.on("ended", ({ key, ending }, from) => this.#once.end(key, from, ending));
    handlers.on("report", ({ key, note }, from) => this.#once.report(key, from, note));
    handlers.on("take", ({ id }, from) => this.#uploads.take(id, from));
    handlers.on("own", ({ id, isOwn }, from) => this.#uploads.own(id, from, isOwn));
    handlers.on("owner", ({ id }, from) => this.#uploads.owner(id, from));
    handlers.on("hint", async ({ key }) => (await this.#hints.get(key)) ?? null);
    handlers.on("put hint", ({ key, value, milliseconds }) => {
      this.#hints.put(key, value, milliseconds);
      return null;
    });
  }

  /** Messages sent to other processes. */
  get sent(): number {
    let sent = this.#sentBefore;
    for (const link of this.#links) sent += link.sent;
    return sent;
  }

  /** Returns the node of this process. */
  own(name: NodeName): Peer {
    const handlers = new Handlers();
    this.#nodes.set(name, {
      ask: (from, question) => handlers.answer(question, from),
      tell: (from, question) => void handlers.answer(question, from).catch(this.onError),
    });
    return {
      name,
      clocks: this.#clocks,
      handlers,
      ask: async <K extends Kind>(question: QuestionOf<K>) =>
        new Map(await this.#askOthers(name, question).catch(asUnavailable)) as Map<NodeName, AnswerTo<K>>,
      askNode: async <K extends Kind>(node: NodeName, question: QuestionOf<K>) => {
        const [only] = await this.#askOne(node, name, question).catch(asUnavailable);
        return only?.[1] as AnswerTo<K> | undefined;
      },
      askHub: async <K extends Kind>(question: QuestionOf<K>) =>
        (await this.#handlers.answer(question, name)) as AnswerTo<K>,
      tell: (to, question) => void this.#pass(name, to, question, false).catch(this.onError),
    };
  }

  /**
   * Connects another process. It is a node from its question to join on, until its socket closes. Without having said that it
   * leaves, it has crashed. Returns what the hub can ask it.
   */
  connect(name: NodeName, stream: Duplex, hasLeft: () => boolean): ConnectedNode {
    const link: Link = new Link(stream, this.#clocks, {
      onError: this.onError,
      onClosed: () => {
        this.#links.delete(link);
        this.#sentBefore += link.sent;
        this.#gone(name, !hasLeft());
      },
      onAsked: ({ number, node, question }) => {
        if (question.kind !== "join") return this.#pass(name, node, question, number !== undefined);
        return this.#join(name, {
          ask: (from, asked) => link.ask(from, asked),
          tell: (from, asked) => link.tell(from, asked),
        });
      },
    });
    this.#links.add(link);
    return {
      call: async (service, payload) => link.ask(name, { kind: "call", service, payload }),
      tell: (service, payload) => link.tell(name, { kind: "call", service, payload }),
    };
  }

  async #join(name: NodeName, link: NodeLink): Promise<AnswerTo<"join">> {
    this.#nodes.set(name, link);
    for (const held of this.#locks.held()) link.tell(name, { kind: "inherit", ...held });
    for (const noting of this.#notings.values()) link.tell(name, noting);
    return { pausedUntil: this.#pausedUntil };
  }

  async #pass(from: NodeName, to: string, question: Question, wantsAnswer: boolean): Promise<unknown> {
    if (to === "hub") return this.#handlers.answer(question, from);
    if (to === "others")
      return wantsAnswer ? this.#askOthers(from, question) : this.#tellOthers(from, question);
    return this.#askOne(to as NodeName, from, question);
  }

  async #askOthers(from: NodeName, question: Question): Promise<[NodeName, unknown][]> {
    this.#keepNoting(question);
    const given: [NodeName, unknown][] = [];
    const asking: Promise<unknown>[] = [];
    for (const node of this.#nodes.keys())
      if (node !== from && this.#concerns(node, question))
        asking.push(this.#askOne(node, from, question).then((one) => given.push(...one)));
    await allEnded(asking);
    return given;
  }

  #concerns(node: NodeName, question: Question): boolean {
    return question.kind !== "change" || this.#followers.mustReceive(node, question.change);
  }

  /** Those that join later must know of it. */
  #keepNoting(question: Question): void {
    if (question.kind !== "noting") return;
    if (question.begins) this.#notings.set(question.token, question);
    else this.#notings.delete(question.token);
  }

  /** Resolves without an answer if the node has ended. */
  async #askOne(node: NodeName, from: NodeName, question: Question): Promise<[NodeName, unknown][]> {
    const link = this.#nodes.get(node);
    if (link === undefined) return [];
    try {
      return [[node, parseAnswer(question.kind, await link.ask(from, question))]];
    } catch (error) {
      if (error instanceof Gone) return [];
      throw error instanceof Failed ? error : new Failed(String(error), { cause: error });
    }
  }

  #tellOthers(from: NodeName, question: Question): void {
    this.#keepNoting(question);
    for (const [node, link] of this.#nodes) if (node !== from) link.tell(from, question);
  }

  #gone(name: NodeName, hasCrashed: boolean): void {
    if (!this.#nodes.delete(name)) return;
    // Before others get its locks: what they do then must have higher numbers than what it has done.
    if (hasCrashed) this.#clocks.clock?.skip();
    this.#locks.gone(name);
    this.#followers.gone(name);
    this.#once.gone(name);
    this.#uploads.gone(name);
    for (const token of this.#notings.keys()) if (nodeOf(token) === name) this.#notings.delete(token);
    for (const link of this.#nodes.values()) link.tell(name, { kind: "gone", node: name, hasCrashed });
  }

  /** Remembers for nodes that join later until when collection pauses. */
  pauseUntil(milliseconds: number): void {
    this.#pausedUntil = Math.max(this.#pausedUntil, milliseconds);
  }

  /** Behaves like an engine that was emptied, for tests of the port's promises. */
  async lose(from: NodeName): Promise<void> {
    this.#uploads.lose();
    await allEnded(
      Array.from(this.#nodes.values(), (link) =>
        link.ask(from, { kind: "gone", node: from, hasCrashed: true }),
      ),
    );
  }
}

/** Another process, for the parts of the server that the cluster port does not know. */
export interface ConnectedNode {
  /** Rejects if the process has ended or fails. */
  call(service: string, payload: unknown): Promise<unknown>;
  tell(service: string, payload: unknown): void;
}
