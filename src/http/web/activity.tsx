/** What the registry does and stores, for those who may read its metrics: all figures are about all repositories. */
import type { MetricsPermit } from "../../auth/gate.js";
import type { Activity } from "../../browse/activity.js";
import { hitsOf, missesOf, type ShownCache, shownCaches } from "../../browse/hit-totals.js";
import { count, formatBytes } from "../../lib/format.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { positiveIn } from "../query.js";
import { ActivityTable } from "./activity-table.js";
import { Layout } from "./layout.js";
import { Plot } from "./plots.js";
import { sendPage } from "./send-page.js";
import { Storage } from "./storage.js";
import { webOf } from "./web.js";

export async function getActivity(
  context: HttpContext,
  exchange: Exchange,
  { shown }: MetricsPermit,
): Promise<void> {
  const { reports } = webOf(context);
  const { activity } = reports;
  activity.sample();
  const page = positiveIn(new URLSearchParams(exchange.query), "page", 1);
  const storage = reports.storage.look();
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="Activity" pending={storage.done !== undefined}>
      <h1>Activity and storage</h1>
      {page === 1 && (
        <>
          <h2>The last 24 hours</h2>
          {reports.hasOtherNodes && <p class="note">Of all nodes; those of others up to a minute ago.</p>}
          <Plots activity={activity} hasUpstreams={context.upstreams !== undefined} />
          <ActivityTable activity={activity} />
        </>
      )}
      <Storage look={storage} page={page} shown={shown} />
    </Layout>,
  );
}

const amounts = [
  { name: "pulls", title: "Pulled manifests", format: String },
  { name: "pushes", title: "Pushed manifests", format: String },
  { name: "sent", title: "Sent", format: formatBytes },
  { name: "received", title: "Received", format: formatBytes },
] as const;

interface PlotsProps {
  readonly activity: Activity;
  readonly hasUpstreams: boolean;
}

function Plots({ activity, hasUpstreams }: PlotsProps) {
  const caches = (Object.keys(shownCaches) as ShownCache[]).filter(
    (cache) => cache !== "upstreams" || hasUpstreams,
  );
  return (
    <>
      <div class="plots">
        {amounts.map(({ name, title, format }) => {
          const { values, sum } = activity.series(name);
          const max = Math.max(...values);
          const text = `${format(sum)}, peak ${format(max)} per 15 min`;
          return <Plot id={name} title={title} text={text} values={values} max={max} kind="amount" />;
        })}
      </div>
      <h3>Answered from caches</h3>
      <div class="plots">
        {caches.map((cache) => (
          <HitRate activity={activity} cache={cache} />
        ))}
      </div>
    </>
  );
}

function HitRate({ activity, cache }: { readonly activity: Activity; readonly cache: ShownCache }) {
  const [hits, misses] = [activity.series(hitsOf(cache)), activity.series(missesOf(cache))];
  const rates = hits.values.map((hit, index) => rateOf(hit, misses.values[index] ?? 0));
  const rate = rateOf(hits.sum, misses.sum);
  const asked = hits.sum + misses.sum;
  const text = rate === undefined ? "not used" : `${Math.floor(rate * 100)}% of ${count(asked, "lookup")}`;
  return <Plot id={cache} title={shownCaches[cache]} text={text} values={rates} max={1} kind="rate" />;
}

function rateOf(hits: number, misses: number): number | undefined {
  return hits + misses === 0 ? undefined : hits / (hits + misses);
}
