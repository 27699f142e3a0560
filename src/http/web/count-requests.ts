/** Counts requests for the page of activity: some additions to plain numbers. */
import type { RequestTotals } from "../../browse/activity.js";
import type { Observer } from "../app.js";
import type { Exchange } from "../exchange.js";

const manifests = "/v2/<name>/manifests/<reference>";

/** Returns an observer of requests. */
export function countRequests(totals: RequestTotals): Observer {
  return ({ incoming: { method, route, body }, status, sent }: Exchange) => {
    // The pages' own traffic is not the registry's.
    if (route === undefined || route.page === true) return;
    totals.received += body?.received ?? 0;
    totals.sent += sent;
    if (route.path !== manifests) return;
    if (status === 200 && method === "GET") totals.pulls++;
    else if (status === 201) totals.pushes++;
  };
}
