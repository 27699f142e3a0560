/** A process that the first one has started. It ends with the first process, which holds the store. */
import { Socket } from "node:net";
import type { NodeName } from "../../cluster/cluster.js";
import { nodeName } from "../../cluster/node-name.js";
import { joinCluster, type SocketCluster } from "../../cluster/socket/open.js";
import { LinkedPeer } from "../../cluster/socket/peer.js";
import { Calls } from "./calls.js";
import { groupOf, type ProcessGroup } from "./group.js";
import { socketDescriptor, type Welcome, welcome } from "./protocol.js";

export interface MemberProcess {
  readonly group: ProcessGroup;
  readonly welcome: Welcome;
  /** Tells the first process that this one listens. */
  ready(): void;
  /** Resolves when the first process wants this one to stop, with a function to call when it has stopped. */
  readonly stopping: Promise<() => void>;
  /** Resolves when the first process lets this one exit. */
  readonly exit: Promise<void>;
}

/** Connects to the first process. */
export async function connectToFirst(
  digits: string,
  onError: (error: unknown) => void,
): Promise<MemberProcess> {
  const peer = new LinkedPeer(nodeName(digits), new Socket({ fd: socketDescriptor }), {
    // Others may open the store from now on.
    onClosed: () => process.kill(process.pid, "SIGKILL"),
    onError,
  });
  const calls = new Calls(peer);
  let onAsked = () => {};
  calls.answer("answer", () => {
    onAsked();
    return null;
  });
  const stopping = new Promise<() => void>((resolve) => {
    calls.answer("stop", () => new Promise<void>((stopped) => resolve(stopped)).then(() => null));
  });
  const exit = new Promise<void>((resolve) => {
    calls.answer("exit", () => {
      resolve();
      return null;
    });
  });
  const given = await new Promise<Welcome>((resolve) => {
    calls.answer("welcome", (payload) => {
      resolve(welcome.parse(payload));
      return null;
    });
  });
  const first = given.first as NodeName;
  let cluster: SocketCluster | undefined;
  const group = groupOf({
    number: given.number,
    count: given.count,
    peer,
    calls,
    sent: () => peer.link.sent,
    tellFirst: (service, payload) => peer.tell(first, { kind: "call", service, payload }),
    askFirst: (service, payload) => peer.askNode<"call">(first, { kind: "call", service, payload }),
    open: async (leaseSeconds) => {
      cluster = await joinCluster(peer, { leaseSeconds, onError });
      return cluster;
    },
  });
  onAsked = () => group.health.asked();
  return {
    group,
    welcome: given,
    ready: () => peer.tell(first, { kind: "call", service: "ready", payload: given.number }),
    stopping: stopping.then((stopped) => {
      return () => {
        void (cluster?.handOver(first) ?? Promise.resolve()).catch(onError).finally(stopped);
      };
    }),
    exit,
  };
}
