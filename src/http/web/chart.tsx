/** What a Helm chart is, needs and explains. */
import type { ArtifactContent } from "../../browse/content/describe-artifact.js";
import type { ChartDependency, ChartFacts, ChartMaintainer } from "../../domain/chart.js";
import { fitItems, fitLine, fitText, htmlBytes } from "./fit.js";
import { Fact, More, ProblemNote, TextOrLink } from "./image-parts.js";
import { Readme } from "./readme.js";
import { Pending } from "./show.js";
import { TableHead } from "./table-head.js";

const lineBytesMax = 300;
const descriptionBytesMax = 1_000;
const listBytesMax = 1_200;
const valuesBytesMax = 5_000;

export function Chart({
  content,
  readmePart,
}: {
  readonly content: ArtifactContent;
  readonly readmePart: number;
}) {
  const { chart, chartArchive } = content;
  return (
    <>
      <h2>Chart</h2>
      {chart === undefined && <Pending />}
      {chart !== undefined && "problem" in chart && (
        <ProblemNote what="The metadata" problem={chart.problem} />
      )}
      {chart !== undefined && "value" in chart && <ChartDetails chart={chart.value} />}
      {chartArchive === undefined && !content.complete && (
        <p class="note">README and values are being read.</p>
      )}
      {chartArchive !== undefined && "problem" in chartArchive && (
        <ProblemNote what="The archive of the chart" problem={chartArchive.problem} />
      )}
      {chartArchive !== undefined && "value" in chartArchive && (
        <>
          <Readme parts={chartArchive.value.readme} part={readmePart} />
          <Values values={chartArchive.value.values} />
        </>
      )}
    </>
  );
}

function ChartDetails({ chart }: { readonly chart: ChartFacts }) {
  const { name, version, appVersion, description, type, kubeVersion, home } = chart;
  return (
    <>
      {chart.isDeprecated && (
        <p class="box bad">
          <strong>This chart is deprecated.</strong>
        </p>
      )}
      {description !== undefined && <p>{fitLine(description, descriptionBytesMax)}</p>}
      <dl class="facts">
        {name !== undefined && <Fact name="Name">{fitLine(name, lineBytesMax)}</Fact>}
        {version !== undefined && <Fact name="Chart version">{fitLine(version, lineBytesMax)}</Fact>}
        {appVersion !== undefined && <Fact name="App version">{fitLine(appVersion, lineBytesMax)}</Fact>}
        {type !== undefined && <Fact name="Type">{fitLine(type, lineBytesMax)}</Fact>}
        {kubeVersion !== undefined && <Fact name="Kubernetes">{fitLine(kubeVersion, lineBytesMax)}</Fact>}
        {home !== undefined && (
          <Fact name="Home">
            <TextOrLink text={home} bytesMax={lineBytesMax} />
          </Fact>
        )}
        {chart.sources.total > 0 && (
          <Fact name="Sources">
            {fitItems(chart.sources.items, listBytesMax, cost).map((source) => (
              <div>
                <TextOrLink text={source} bytesMax={lineBytesMax} />
              </div>
            ))}
          </Fact>
        )}
        {chart.keywords.total > 0 && (
          <Fact name="Keywords">{fitLine(chart.keywords.items.join(", "), lineBytesMax)}</Fact>
        )}
        {chart.maintainers.total > 0 && (
          <Fact name="Maintainers">
            {fitItems(
              chart.maintainers.items,
              listBytesMax,
              ({ name: who, email }) => cost(who) + cost(email),
            ).map((maintainer) => (
              <Maintainer maintainer={maintainer} />
            ))}
          </Fact>
        )}
      </dl>
      {chart.dependencies.total > 0 && (
        <Dependencies items={chart.dependencies.items} total={chart.dependencies.total} />
      )}
    </>
  );
}

/** Of a link: its text is there twice. */
function cost(text = ""): number {
  return 100 + 2 * Math.min(lineBytesMax, htmlBytes(text));
}

function Maintainer({ maintainer: { name, email, url } }: { readonly maintainer: ChartMaintainer }) {
  return (
    <div>
      {fitLine(name, lineBytesMax)}
      {email !== undefined && <span class="dim"> {fitLine(email, lineBytesMax)}</span>}
      {url !== undefined && (
        <>
          {" "}
          <TextOrLink text={url} bytesMax={lineBytesMax} />
        </>
      )}
    </div>
  );
}

const dependenciesBytesMax = 4_000;
const cellBytesMax = 200;

function Dependencies({
  items,
  total,
}: {
  readonly items: readonly ChartDependency[];
  readonly total: number;
}) {
  const shown = fitItems(
    items,
    dependenciesBytesMax,
    (item) =>
      200 +
      [item.name, item.version, item.repository, item.condition].reduce((sum, text) => sum + cost(text), 0),
  );
  return (
    <>
      <h3>Dependencies</h3>
      <table class="stack">
        <TableHead columns={["Chart", "Version", "Repository", "Condition"]} />
        <tbody>
          {shown.map(({ name, version = "", repository = "", condition = "" }) => (
            <tr>
              <td>{fitLine(name, cellBytesMax)}</td>
              <td data-label="Version">{fitLine(version, cellBytesMax)}</td>
              <td data-label="Repository">{fitLine(repository, cellBytesMax)}</td>
              <td data-label="Condition">{fitLine(condition, cellBytesMax)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <More shown={shown.length} total={total} />
    </>
  );
}

function Values({
  values,
}: {
  readonly values: { readonly text: string; readonly isTruncated: boolean } | undefined;
}) {
  if (values === undefined) return null;
  const text = fitText(values.text, valuesBytesMax);
  return (
    <>
      <h2>Values</h2>
      <pre tabindex={0}>{text}</pre>
      {(values.isTruncated || text.endsWith("…")) && (
        <p class="note">
          This is only the beginning; <code>helm show values</code> has all.
        </p>
      )}
    </>
  );
}
