/**
 * Plain HTTP. Where uWebSockets.js can, one app accepts and passes each connection to another, which recognises it by its
 * client's port (`known-peers.ts`). When that app has failed to recognise too many connections, new ones go to an app without
 * connections; earlier ones stay with their app.
 */
import "./uws-settings.js";
import uws, { type TemplatedApp } from "uWebSockets.js";
import type { KnownPeers } from "./known-peers.js";
import { type PassingApp, passConnections } from "./passing-app.js";
import { uwsBuild } from "./uws-build.js";

/**
 * Registers the handlers of connections and requests. Returns the app's `KnownPeers`, or `undefined` if this build cannot recognise
 * connections. `onUnrecognised` is called for each connection that will not be recognised.
 */
export type ServeOn = (app: TemplatedApp, onUnrecognised?: () => void) => KnownPeers | undefined;

interface Serving {
  readonly app: PassingApp;
  readonly peers: KnownPeers;
}

/** Unrecognised connections since an app had none. With clients of many addresses, these are about 7 % of all. */
const unrecognisedMax = 256;

/** uWebSockets.js frees no app: 30 KB each. */
const appsMax = 8;

export class PlainListener {
  readonly acceptor: TemplatedApp;
  readonly #apps: Serving[] = [];
  #current: Serving | undefined;
  #isChanging = false;

  constructor(readonly serveOn: ServeOn) {
    this.acceptor = uws.App();
    if (uwsBuild().passesConnections) this.#pass();
    else serveOn(this.acceptor);
  }

  /** Passes new connections to an app that has none. Without one, the current app keeps them. */
  #pass(): void {
    const next = this.#apps.find(({ peers }) => peers.isEmpty) ?? this.#add();
    if (next === undefined) return;
    passConnections(this.acceptor as PassingApp, this.#current?.app, next.app);
    this.#current = next;
  }

  #add(): Serving | undefined {
    if (this.#apps.length >= appsMax) return undefined;
    const app = uws.App() as PassingApp;
    const peers = this.serveOn(app, () => this.#changeLater());
    if (peers === undefined) throw new Error("invariant broken: a build that passes connections has ports");
    const added = { app, peers };
    this.#apps.push(added);
    return added;
  }

  /** In another turn: uWebSockets.js is just opening a connection. */
  #changeLater(): void {
    if (this.#isChanging || (this.#current?.peers.unrecognised ?? 0) < unrecognisedMax) return;
    this.#isChanging = true;
    setImmediate(() => {
      this.#isChanging = false;
      this.#pass();
    });
  }

  /** Ends all connections. */
  close(): void {
    for (const app of [this.acceptor, ...this.#apps.map(({ app }) => app)]) app.close();
  }
}
