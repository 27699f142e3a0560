/** The plots as a table, by hours. */
import type { Activity } from "../../browse/activity.js";
import { quarterMilliseconds, quarters } from "../../browse/activity.js";
import { formatBytes } from "../../lib/format.js";
import { TableHead } from "./table-head.js";

const quartersOfHour = 4;

export function ActivityTable({ activity }: { readonly activity: Activity }) {
  const columns = (["pulls", "pushes", "sent", "received"] as const).map(
    (name) => activity.series(name).values,
  );
  const starts = Array.from({ length: quarters / quartersOfHour }, (_, hour) => hour * quartersOfHour);
  return (
    <details>
      <summary>The figures by hour</summary>
      <section class="scroll" tabindex={0} aria-label="The figures by hour">
        <table>
          <TableHead
            columns={[
              "From (UTC)",
              { number: "Pulled" },
              { number: "Pushed" },
              { number: "Sent" },
              { number: "Received" },
            ]}
          />
          <tbody>
            {starts.toReversed().map((start) => {
              const [pulls = 0, pushes = 0, sent = 0, received = 0] = columns.map((values) =>
                values.slice(start, start + quartersOfHour).reduce((sum, value) => sum + value, 0),
              );
              return (
                <tr>
                  <td>{timeOf(activity.beganAt + start * quarterMilliseconds)}</td>
                  {[String(pulls), String(pushes), formatBytes(sent), formatBytes(received)].map((text) => (
                    <td class="number">{text}</td>
                  ))}
                </tr>
              );
            })}
          </tbody>
        </table>
      </section>
    </details>
  );
}

function timeOf(at: number): string {
  return new Date(at).toISOString().slice(5, 16).replace("T", " ");
}
