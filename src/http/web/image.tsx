/** The page of an image or another artifact, by tag or digest. */
import type { PullPermit } from "../../auth/gate.js";
import { describeImage, type ImageDescription } from "../../browse/content/describe-image.js";
import type { Found, RelatedManifests } from "../../browse/graph/relations.js";
import { titleOfKind } from "../../domain/artifact-kind.js";
import { type Digest, isDigest } from "../../domain/digest.js";
import { RegistryError } from "../../domain/errors.js";
import { platformText } from "../../domain/manifest-details.js";
import { parseReference, type Reference, referenceText } from "../../domain/reference.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { readReference } from "../manifests.js";
import { positiveIn } from "../query.js";
import { AttachedArtifacts } from "./attached.js";
import { fitLine } from "./fit.js";
import { ImageContent, type WantedParts } from "./image-content.js";
import { Annotations, DigestLink, Fact, ProblemNote, Time } from "./image-parts.js";
import { Platforms } from "./image-platforms.js";
import { Layout } from "./layout.js";
import { pageDeadline } from "./page-deadline.js";
import { PullCommands } from "./pull-commands.js";
import { redirect } from "./redirect.js";
import { OtherTags, ReferencedBy } from "./related.js";
import { sendPage } from "./send-page.js";
import { Bytes, Crumbs, imageUrl, ShortDigest, When } from "./show.js";
import { getSource, isSource } from "./source-page.js";
import { webOf } from "./web.js";

export async function getImagePage(
  context: HttpContext,
  exchange: Exchange,
  permit: PullPermit,
  last: string,
): Promise<void> {
  const reference = readReference(last);
  const query = new URLSearchParams(exchange.query);
  const source = query.get("show");
  if (isSource(source)) return getSource(context, exchange, permit, { reference, source });
  const { services } = context;
  const of = parsedOf(query.get("of"));
  const parts = { services, reader: webOf(context).browse.content.of(exchange.client) };
  const wanted = {
    from: positiveIn(query, "from", 0),
    packages: positiveIn(query, "packages", 0),
    readme: positiveIn(query, "readme", 0),
  };
  const platform = query.get("platform") ?? undefined;
  const imageQuery = { reference, of, platform, from: wanted.from, after: digestIn(query.get("after")) };
  const deadline = pageDeadline(exchange);
  const found = await describeImage(parts, permit, imageQuery, deadline);
  const title = referenceText(reference);
  if (found?.forPlatform !== undefined) {
    redirect(exchange, `${imageUrl(permit.name, found.forPlatform)}?of=${title}`);
    return;
  }
  const subject = found && { digest: found.digest, shown: found.tag };
  const { relations } = webOf(context).browse;
  const related = subject && (await relations.of(permit, subject, deadline, exchange.client));
  await sendPage(
    exchange,
    200,
    <Layout
      context={context}
      exchange={exchange}
      title={`${permit.name}${reference.kind === "tag" ? ":" : "@"}${title}`}
      live={permit.name}
      pending={found?.complete !== true || related?.complete !== true}
    >
      <Crumbs repository={permit.name} />
      <h1>
        {permit.name}
        {reference.kind === "tag" ? (
          `:${title}`
        ) : (
          <>
            {" "}
            <ShortDigest digest={reference.digest} />
          </>
        )}
      </h1>
      {found === undefined || related === undefined ? (
        <p>This image is being read.</p>
      ) : (
        <Described
          context={context}
          exchange={exchange}
          permit={permit}
          found={found}
          related={related}
          wanted={wanted}
        />
      )}
    </Layout>,
  );
}

/** What is described, and how the visitor asked for it. */
export interface DescribedProps {
  readonly context: HttpContext;
  readonly exchange: Exchange;
  readonly permit: PullPermit;
  readonly found: ImageDescription;
  readonly related: Found<RelatedManifests>;
  readonly wanted: WantedParts;
}

function Described(props: DescribedProps) {
  const { context, exchange, found, related, wanted } = props;
  const { manifest } = found;
  return (
    <>
      <Actions {...props} />
      <Facts found={found} />
      <OtherTags related={related} isTag={found.tag !== undefined} />
      {manifest !== undefined && "problem" in manifest && (
        <ProblemNote what="The manifest" problem={manifest.problem} />
      )}
      <PullCommands context={context} exchange={exchange} found={found} />
      {found.platforms !== undefined && (
        <Platforms page={found.platforms} reference={found.tag ?? found.digest} />
      )}
      {manifest !== undefined && "value" in manifest && (
        <ImageContent found={found} details={manifest.value} wanted={wanted} />
      )}
      <ReferencedBy related={related} />
      <AttachedArtifacts attached={found.attached} kind={found.kind} />
      {manifest !== undefined && "value" in manifest && <Annotations of={manifest.value.annotations} />}
    </>
  );
}

function Actions({ context, permit, found: { tag, manifest, index } }: DescribedProps) {
  const canDelete =
    context.services.rules.deleteEnabled && context.gate.may(permit.identity, "delete", permit.name);
  const config = manifest && "value" in manifest ? manifest.value.config : undefined;
  return (
    <nav class="row" aria-label="This image">
      <a href="../_tags">Tags</a>
      {index !== undefined && <a href={`./${referenceText(index)}`}>All platforms</a>}
      {tag !== undefined && <a href={`../_history/${tag}`}>History</a>}
      <a href="?show=manifest">Manifest JSON</a>
      {config !== undefined && <a href="?show=config">Config JSON</a>}
      {tag !== undefined && canDelete && <a href={`../_delete?tag=${tag}`}>Delete …</a>}
    </nav>
  );
}

/** Titles of annotations that deserve a place at the top. */
const headlines = [
  ["org.opencontainers.image.title", "Title"],
  ["org.opencontainers.image.version", "Version"],
  ["org.opencontainers.image.description", "Description"],
] as const;

const headlineBytesMax = 600;

function Facts({ found }: { readonly found: ImageDescription }) {
  const { digest, manifest, kind, config, pushedAt, tagTimes } = found;
  const details = manifest && "value" in manifest ? manifest.value : undefined;
  const image = config && "value" in config ? config.value : undefined;
  const annotations = new Map([...(image?.labels.items ?? []), ...(details?.annotations.items ?? [])]);
  return (
    <dl class="facts">
      {kind !== undefined && <Fact name="Kind">{titleOfKind(kind)}</Fact>}
      {headlines.map(([name, title]) => {
        const text = annotations.get(name);
        return text && <Fact name={title}>{fitLine(text, headlineBytesMax)}</Fact>;
      })}
      {image !== undefined && (
        <Fact name="Platform">
          {fitLine(platformText(image.platform), 200)}
          {image.platform.osVersion !== undefined && ` (${fitLine(image.platform.osVersion, 100)})`}
        </Fact>
      )}
      <Fact name="Digest">
        <code>{digest}</code>
      </Fact>
      {details?.kind === "image" && (
        <Fact name="Pull size">
          <Bytes bytes={details.contentBytes} />
        </Fact>
      )}
      {image?.created !== undefined && (
        <Fact name="Created">
          <Time text={image.created} />
        </Fact>
      )}
      {image?.author !== undefined && <Fact name="Author">{fitLine(image.author, 300)}</Fact>}
      {pushedAt !== undefined && (
        <Fact name="First pushed">
          <When at={pushedAt} />
        </Fact>
      )}
      {tagTimes !== undefined && (
        <>
          <Fact name="Tag pushed">
            <When at={tagTimes.pushedAt} />
          </Fact>
          <Fact name="Tag last pulled">
            {tagTimes.pulledAt === undefined ? "never" : <When at={tagTimes.pulledAt} />}
          </Fact>
        </>
      )}
      {details !== undefined && (
        <>
          <Fact name="Media type">{fitLine(details.mediaType, 300)}</Fact>
          {details.artifactType !== undefined && (
            <Fact name="Artifact type">{fitLine(details.artifactType, 300)}</Fact>
          )}
          {details.subject !== undefined && (
            <Fact name="Attached to">
              <DigestLink digest={details.subject.digest} />
            </Fact>
          )}
        </>
      )}
    </dl>
  );
}

function parsedOf(text: string | null): Reference | undefined {
  if (text === null) return undefined;
  try {
    return parseReference(text);
  } catch (error) {
    if (error instanceof RegistryError) return undefined;
    throw error;
  }
}

function digestIn(text: string | null): Digest | undefined {
  return text !== null && isDigest(text) ? text : undefined;
}
