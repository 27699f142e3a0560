/** Finds the figures in which the subject is behind a peer: rate, CPU time or memory. */
import { costOf, type Pairing, pairingsOf, peakOf, valuesOf } from "./ratios.js";
import type { Comparison } from "./record.js";
import { median, spreadOf } from "./statistics.js";
import { megabyte, spell } from "./units.js";

export interface Loss {
  readonly scenario: string;
  readonly peer: string;
  readonly what: string;
  readonly own: number;
  readonly peers: number;
  /** Over 1. */
  readonly timesWorse: number;
}

/** The worst first. */
export function lossesIn(comparisons: readonly Comparison[]): readonly Loss[] {
  return comparisons
    .flatMap((comparison) => pairingsOf(comparison).flatMap((pairing) => lossesOf(comparison, pairing)))
    .sort((a, b) => b.timesWorse - a.timesWorse);
}

function lossesOf({ name, unit }: Comparison, { subject, peer, ratios }: Pairing): readonly Loss[] {
  const [ownCost, peersCost] = [costOf(subject), costOf(peer)];
  const less = (what: string, own: number, peers: number) => ({
    what,
    own,
    peers,
    timesWorse: own / peers,
  });
  const figures = [
    {
      what: unit,
      own: median(valuesOf(subject)),
      peers: median(valuesOf(peer)),
      timesWorse: 1 / spreadOf(ratios).median,
    },
    less(`CPU s per ${ownCost.per}`, ownCost.cpuSeconds.median, peersCost.cpuSeconds.median),
    less("peak MB", peakOf(subject) / megabyte, peakOf(peer) / megabyte),
  ];
  return figures
    .filter(({ timesWorse }) => timesWorse > 1)
    .map((figure) => ({ scenario: name, peer: peer.contender, ...figure }));
}

export const lossColumns = ["scenario", "what", "subject", "peer", "peer's", "times worse"];

export function lossRow({ scenario, what, own, peer, peers, timesWorse }: Loss): readonly string[] {
  return [scenario, what, spell(own), peer, spell(peers), spell(timesWorse)];
}
