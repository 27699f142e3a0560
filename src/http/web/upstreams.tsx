/** The registries that this one caches: figures for those who may read the metrics, and for everybody the images they may pull. */
import type { CatalogPermit } from "../../auth/gate.js";
import { anonymous } from "../../auth/identity.js";
import type { CachedFigures } from "../../browse/cached-figures.js";
import { RegistryError } from "../../domain/errors.js";
import type { UpstreamCache } from "../../upstream/cache.js";
import type { CachedImage } from "../../upstream/cache-report.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { Layout } from "./layout.js";
import { sendPage } from "./send-page.js";
import { Bytes, imageUrl, repositoryUrl, ShortDigest, When } from "./show.js";
import { TableHead } from "./table-head.js";
import { UpstreamFacts } from "./upstream-facts.js";
import { webOf } from "./web.js";

const imagesMax = 25;

export async function getUpstreams(
  context: HttpContext,
  exchange: Exchange,
  { shown }: CatalogPermit,
): Promise<void> {
  const { gate, upstreams } = context;
  const { cached } = webOf(context).reports;
  if (upstreams === undefined || cached === undefined)
    throw new RegistryError("path-unknown", "this registry caches no others");
  const { found, done, hasFailed } = cached.look();
  const maySeeAll = gate.mayReadMetrics(exchange.identity ?? anonymous);
  const images: CachedImage[] = [];
  for (const image of found?.value.recent ?? []) {
    if (images.length === imagesMax) break;
    if (shown.has(image.repository)) images.push(image);
  }
  const listed = await Promise.all(
    images.map(async (image) => ({ image, state: await stateOf(image, upstreams) })),
  );
  await sendPage(
    exchange,
    200,
    <Layout context={context} exchange={exchange} title="Upstream caches" pending={done !== undefined}>
      <h1>Upstream caches</h1>
      {maySeeAll && <Upstreams upstreams={upstreams} figures={found?.value} />}
      <h2>Pulled last</h2>
      {images.length > 0 && <Images listed={listed} />}
      {images.length === 0 && found !== undefined && <p>Nothing is cached that you may pull.</p>}
      {done !== undefined && (
        <p class="note" role="status">
          The cached content is being counted.
        </p>
      )}
      {hasFailed && done === undefined && (
        <p class="bad">The cached content could not be counted. Try again in a minute.</p>
      )}
      {found !== undefined && (
        <p class="note">
          Counted <When at={found.computedAt} />. The same figures: <code>gantry cache list</code>
        </p>
      )}
    </Layout>,
  );
}

interface UpstreamsProps {
  readonly upstreams: UpstreamCache;
  /** Absent until they are counted. */
  readonly figures: CachedFigures | undefined;
}

function Upstreams({ upstreams: { names, evictor }, figures }: UpstreamsProps) {
  const { bytesMax } = evictor.options;
  return (
    <>
      <p>
        <Bytes bytes={figures?.bytes} /> cached
        {bytesMax === undefined ? ", without a limit" : <LimitOf bytes={bytesMax} />}.
      </p>
      {names.upstreams.map((upstream) => (
        <section>
          <h2>{upstream.name}</h2>
          <UpstreamFacts
            upstream={upstream}
            content={figures?.upstreams.find(({ name }) => name === upstream.name)}
          />
        </section>
      ))}
    </>
  );
}

function LimitOf({ bytes }: { readonly bytes: number }) {
  return (
    <>
      {" "}
      of at most <Bytes bytes={bytes} />: what has not been used for the longest time is removed first
    </>
  );
}

interface ImagesProps {
  readonly listed: readonly { readonly image: CachedImage; readonly state: string }[];
}

function Images({ listed }: ImagesProps) {
  return (
    <table class="stack">
      <TableHead columns={["Image", "State", { number: "Cached" }, "Pulled"]} />
      <tbody>
        {listed.map(({ image, state }) => (
          <tr>
            <td>
              <ImageLink image={image} />
            </td>
            <td data-label="State">{state}</td>
            <td class="number" data-label="Cached">
              <Bytes bytes={image.bytes} />
            </td>
            <td data-label="Pulled">
              <When at={image.lastUsedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function ImageLink({ image: { repository, tag, digest } }: { readonly image: CachedImage }) {
  if (tag === undefined)
    return (
      <>
        <a href={repositoryUrl(repository)}>{repository}</a> <span class="note">by digest</span>
      </>
    );
  return (
    <>
      <a href={imageUrl(repository, tag)}>
        {repository}:{tag}
      </a>{" "}
      {digest !== undefined && <ShortDigest digest={digest} />}
    </>
  );
}

/** A stale tag is compared with its upstream when it is pulled next. */
async function stateOf(
  { repository, tag }: CachedImage,
  { names, manifests }: UpstreamCache,
): Promise<string> {
  const owner = names.ownerOf(repository)?.upstream;
  if (tag === undefined || owner === undefined) return "";
  return (await manifests.isFresh(owner, repository, tag)) ? "fresh" : "stale";
}
