/** The JSON of a manifest or of an image's config. */
import type { PullPermit } from "../../auth/gate.js";
import type { Answer, Problem } from "../../browse/content/content-protocol.js";
import type { ClientReader, Content } from "../../browse/content/content-reader.js";
import { digestOfReference } from "../../browse/content/describe-image.js";
import { type Reference, referenceText } from "../../domain/reference.js";
import type { Deadline } from "../../lib/deadline.js";
import type { PrettyText } from "../../lib/pretty-json.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { targetOf } from "./client-target.js";
import { fitText } from "./fit.js";
import { ProblemNote } from "./image-parts.js";
import { Layout } from "./layout.js";
import { pageDeadline } from "./page-deadline.js";
import { sendPage } from "./send-page.js";
import { Crumbs } from "./show.js";
import { webOf } from "./web.js";

const sources = ["manifest", "config"] as const;
type Source = (typeof sources)[number];

export function isSource(text: string | null): text is Source {
  return sources.some((source) => source === text);
}

/** The page with everything else takes some KB. */
const bytesMax = 38_000;

export async function getSource(
  context: HttpContext,
  exchange: Exchange,
  { name }: PullPermit,
  { reference, source }: { readonly reference: Reference; readonly source: Source },
): Promise<void> {
  const { services } = context;
  const reader = webOf(context).browse.content.of(exchange.client);
  const deadline = pageDeadline(exchange);
  const digest = await deadline.within(digestOfReference(services, name, reference));
  const manifest: Content | undefined = digest && { name, digest, kind: "manifest" };
  const content = source === "manifest" ? manifest : manifest && (await configOf(reader, manifest, deadline));
  const found =
    content === undefined || "problem" in content ? content : await reader.read("text", content, deadline);
  const title = source === "manifest" ? "Manifest" : "Config";
  const text = referenceText(reference);
  const { host, security } = targetOf(context, exchange);
  const option = security === "plain" ? " --insecure" : "";
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title={`${title} of ${name}`} pending={found === undefined}>
      <Crumbs repository={name} />
      <h1>
        {title} of <a href={`./${text}`}>{text}</a>
      </h1>
      {found !== undefined && <Source what={title} found={found} />}
      <p class="note">The whole {title.toLowerCase()}, byte by byte:</p>
      <pre
        tabindex={0}
      >{`crane ${source}${option} ${host}/${name}${reference.kind === "tag" ? ":" : "@"}${text}`}</pre>
    </Layout>,
  );
}

function Source({ what, found }: { readonly what: string; readonly found: Answer<PrettyText> }) {
  if ("problem" in found) return <ProblemNote what={`The ${what.toLowerCase()}`} problem={found.problem} />;
  const { text, isTruncated } = found.value;
  const shown = fitText(text, bytesMax);
  return (
    <>
      <pre class="tall" tabindex={0}>
        {shown}
      </pre>
      {(isTruncated || shown.endsWith("…")) && <p class="note">This is only the beginning.</p>}
    </>
  );
}

async function configOf(
  reader: ClientReader,
  manifest: Content,
  deadline: Deadline,
): Promise<Content | { readonly problem: Problem } | undefined> {
  const found = await reader.read("manifest", manifest, deadline);
  if (found === undefined || "problem" in found) return found;
  const { config } = found.value;
  return config === undefined
    ? { problem: "missing" }
    : { name: manifest.name, digest: config.digest, kind: "blob" };
}
