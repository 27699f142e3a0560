/** Refuses connections beyond the limits before reading from them. */
import type { HttpResponse } from "uWebSockets.js";
import type { AddressRanges } from "../lib/address-ranges.js";
import type { ConnectionCounts, Refusal } from "../lib/connection-counts.js";
import { networkOf } from "../lib/network.js";
import type { PeerLookup } from "./peer.js";

export interface ConnectionGuardOptions {
  readonly counts: ConnectionCounts;
  /** Proxies, whose connections belong to many clients and do not count as one client's. */
  readonly proxies: AddressRanges | undefined;
  readonly onRefused: (client: string, refusal: Refusal) => void;
}

export class ConnectionGuard {
  /** Set while an uncounted connection is closed: uWebSockets.js calls the filter for it within the same call. */
  #isRefusing = false;

  constructor(readonly options: ConnectionGuardOptions) {}

  /** uWebSockets.js calls it for each connection that opens (1) or closes (-1). */
  filter(response: HttpResponse, change: number, peerOf: PeerLookup): void {
    if (change < 0) {
      if (!this.#isRefusing) this.options.counts.leave();
      return;
    }
    const { counts, proxies, onRefused } = this.options;
    const address = peerOf(response)?.address ?? "";
    const client = networkOf(address);
    const refusal = counts.enter(client, proxies?.has(address) !== true);
    if (refusal === undefined) return;
    this.#isRefusing = true;
    try {
      response.close();
    } finally {
      this.#isRefusing = false;
    }
    onRefused(client, refusal);
  }
}
