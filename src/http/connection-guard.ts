/** Refuses connections beyond the limits before anything is read from them. */
import type { HttpResponse } from "uWebSockets.js";
import type { AddressRanges } from "../lib/address-ranges.js";
import { addressText } from "../lib/address-text.js";
import type { ConnectionCounts, Refusal } from "../lib/connection-counts.js";
import { networkOf } from "../lib/network.js";

export interface ConnectionGuardOptions {
  readonly counts: ConnectionCounts;
  /** Whose connections are those of many clients, and count for no single one. */
  readonly proxies: AddressRanges | undefined;
  readonly onRefused: (client: string, refusal: Refusal) => void;
}

export class ConnectionGuard {
  /** Set while a connection is closed that was never counted: uWebSockets.js tells of that in the same call. */
  #isRefusing = false;

  constructor(readonly options: ConnectionGuardOptions) {}

  /** To be called for each connection that opens, with 1, or closes, with -1. */
  readonly filter = (response: HttpResponse, change: number): void => {
    if (change < 0) {
      if (!this.#isRefusing) this.options.counts.leave();
      return;
    }
    const { counts, proxies, onRefused } = this.options;
    const address = addressText(new Uint8Array(response.getRemoteAddress()));
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
  };
}
