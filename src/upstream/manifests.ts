/**
 * Manifests of upstream registries. A manifest is stored like a pushed one as soon as it has arrived, without waiting for the
 * content that it names. A tag is served without asking its upstream for a while, then one request asks for all clients. If
 * the upstream fails, or takes too long, the cached tag is served as it was.
 */
import { setTimeout as pause } from "node:timers/promises";
import { LRUCache } from "lru-cache";
import { anonymous } from "../auth/identity.js";
import { ownGate } from "../auth/own-gate.js";
import type { StoredManifest } from "../cache/caches.js";
import type { Digest } from "../domain/digest.js";
import { RegistryError, RegistryErrors } from "../domain/errors.js";
import { type Reference, referenceText, type Tag } from "../domain/reference.js";
import type { RepositoryName } from "../domain/repository-name.js";
import { describeError } from "../lib/describe-error.js";
import { pullManifest, resolveTag } from "../registry/pull-manifest.js";
import { pushManifest } from "../registry/push-manifest.js";
import type { Services } from "../registry/services.js";
import { WantedManifest } from "../registry/wanted-manifest.js";
import { type Answer, discard } from "../transfer/remote/answer.js";
import { manifestHeaders, manifestType, namedDigest } from "../transfer/remote/manifest-headers.js";
import { BriefAnswers } from "./brief.js";
import type { Evictor } from "./evictor.js";
import type { Mirrored } from "./mirrored.js";
import { IndexedPlatforms } from "./platforms.js";
import { withRoom } from "./room.js";
import { SharedAnswers } from "./shared-answers.js";
import type { Upstream } from "./upstream.js";

export interface MirroredManifest {
  readonly manifest: StoredManifest;
  /** Whether the upstream could not be asked although it was time to. */
  readonly isStale: boolean;
}

/** Tags whose time of the last check is remembered. The first request for another one asks its upstream. */
const checkedMax = 100_000;

/** A tag that is pulled in the last fifth of its time is refreshed in the background. */
const refreshShare = 0.8;

export class UpstreamManifests {
  /** When a tag was last compared with its upstream, by `performance.now()`. */
  readonly #checkedAt = new LRUCache<string, number>({ max: checkedMax });
  readonly #absent: BriefAnswers<true>;
  readonly #fetches = new BriefAnswers<boolean>(0);
  readonly #platforms: IndexedPlatforms;
  readonly #shared: SharedAnswers;

  constructor(
    readonly services: Services,
    /** Makes room for what is fetched. */
    readonly room: Pick<Evictor, "added" | "makeRoom">,
    absentMilliseconds: number,
    readonly onBackgroundError: (error: unknown) => void,
  ) {
    this.#absent = new BriefAnswers(absentMilliseconds);
    this.#platforms = new IndexedPlatforms(services, absentMilliseconds);
    this.#shared = new SharedAnswers(services.cluster.hints, "manifest", absentMilliseconds);
  }

  /** Resolves with whether a cached tag is served without asking its upstream: this node or another has compared it lately. */
  async isFresh({ settings }: Upstream, name: RepositoryName, tag: Tag): Promise<boolean> {
    const key = `${name}:${tag}`;
    const milliseconds = settings.tagSeconds * 1000;
    const checkedAt = this.#checkedAt.peek(key);
    if (checkedAt !== undefined && performance.now() - checkedAt < milliseconds) return true;
    return (await this.#shared.sinceCompared(key, milliseconds)) !== undefined;
  }

  /** Rejects with `manifest-unknown`, or if nothing is cached and the upstream fails. */
  pull(from: Mirrored, reference: Reference): MirroredManifest | Promise<MirroredManifest> {
    if (reference.kind === "digest") return this.#byDigest(from, reference.digest);
    const { upstream, permit } = from;
    const key = `${permit.name}:${reference.tag}`;
    const checkedAt = this.#checkedAt.get(key);
    const milliseconds = upstream.settings.tagSeconds * 1000;
    const age = checkedAt === undefined ? Number.POSITIVE_INFINITY : performance.now() - checkedAt;
    if (age >= milliseconds) return this.#byTag(from, reference.tag, key);
    if (age > milliseconds * refreshShare && upstream.allowsBackground)
      this.#refresh(from, reference.tag, key).catch(this.onBackgroundError);
    const found = pullManifest(this.services, permit, new WantedManifest(permit.name, reference));
    if (!(found instanceof Promise)) return hit(from, found);
    // It may have been removed here meanwhile.
    return found.then(
      (manifest) => hit(from, manifest),
      (error: unknown) => {
        if (!isUnknown(error)) throw error;
        return this.#byTag(from, reference.tag, key);
      },
    );
  }

  #byDigest(from: Mirrored, digest: Digest): MirroredManifest | Promise<MirroredManifest> {
    const reference = { kind: "digest", digest } as const;
    const found = pullManifest(this.services, from.permit, new WantedManifest(from.permit.name, reference));
    if (!(found instanceof Promise)) return hit(from, found);
    return found.then(
      (manifest) => hit(from, manifest),
      async (error: unknown) => {
        if (!isUnknown(error)) throw error;
        const key = `${from.permit.name}@${digest}`;
        await this.#demand(from, reference, key);
        return { manifest: await this.#pullOrDemand(from, reference, key), isStale: false };
      },
    );
  }

  async #byTag(from: Mirrored, tag: Tag, key: string): Promise<MirroredManifest> {
    const { services } = this;
    const { upstream, permit } = from;
    const reference = { kind: "tag", tag } as const;
    const cached = await resolveTag(services, permit.name, tag);
    let isStale = false;
    if (cached === undefined) {
      await this.#demand(from, reference, key);
    } else if (await this.#isComparedElsewhere(from, key)) {
      return hit(from, await this.#pullOrDemand(from, reference, key));
    } else if (upstream.isPaused) {
      isStale = true;
    } else {
      const refreshed = this.#refresh(from, tag, key).then(
        () => true,
        (error: unknown) => {
          this.onBackgroundError(error);
          return false;
        },
      );
      isStale = !(await Promise.race([refreshed, pause(upstream.times.stale, false, { ref: false })]));
    }
    if (cached !== undefined) from.note("manifest", isStale ? "stale" : "revalidated");
    return { manifest: await this.#pullOrDemand(from, reference, key), isStale };
  }

  /** A manifest that was here a moment ago may have been evicted. */
  async #pullOrDemand(from: Mirrored, reference: Reference, key: string): Promise<StoredManifest> {
    const wanted = new WantedManifest(from.permit.name, reference);
    try {
      return await pullManifest(this.services, from.permit, wanted);
    } catch (error) {
      if (!isUnknown(error)) throw error;
      await this.#demand(from, reference, key);
      return pullManifest(this.services, from.permit, wanted);
    }
  }

  /** Fetches a manifest that is not here. Rejects with `manifest-unknown` if the upstream does not have it. */
  async #demand(from: Mirrored, reference: Reference, key: string): Promise<void> {
    const { name: upstreamName, settings } = from.upstream;
    if (reference.kind === "digest" && settings.platforms.length > 0) {
      const { digest } = reference;
      if (await this.#platforms.excludes(from, digest)) {
        from.note("manifest", "absent");
        const why = `this registry fetches only images for ${settings.platforms.join(", ")} from ${upstreamName}`;
        throw new RegistryError("manifest-unknown", why, { digest });
      }
    }
    const isKnownAbsent = this.#absent.peek(key) !== undefined;
    from.note("manifest", isKnownAbsent ? "absent" : this.#fetches.isAsking(key) ? "joined" : "miss");
    const fetch = async () => {
      // Another fetch may have ended since the caller looked.
      if (await this.#isHere(from, reference)) return true;
      return from.upstream.inTurn(from.client, () => this.#fetchOnce(from, reference, key));
    };
    if (!isKnownAbsent && (await this.#fetches.get(key, fetch))) return;
    this.#absent.set(key, true);
    const what = referenceText(reference);
    throw new RegistryError(
      "manifest-unknown",
      `neither this registry nor ${upstreamName} has this manifest`,
      { reference: what },
    );
  }

  async #isHere({ permit: { name } }: Mirrored, reference: Reference): Promise<boolean> {
    if (reference.kind === "tag") return (await resolveTag(this.services, name, reference.tag)) !== undefined;
    return (await this.services.storage.manifests.size(name, reference.digest)) !== undefined;
  }

  /** Whether another node has compared the tag within the given share of its time. Then it counts as compared here. */
  async #isComparedElsewhere({ upstream }: Mirrored, key: string, share = 1): Promise<boolean> {
    const milliseconds = upstream.settings.tagSeconds * 1000;
    const since = await this.#shared.sinceCompared(key, milliseconds * share);
    if (since === undefined) return false;
    this.#checkedAt.set(key, performance.now() - since);
    return true;
  }

  /** Compares a cached tag with its upstream, and moves it if it has moved there. Runs once at a time, on one node. */
  async #refresh(from: Mirrored, tag: Tag, key: string): Promise<void> {
    await this.#fetches.get(key, async () => {
      let found: boolean | undefined;
      await this.services.cluster.once(`compare tag ${key}`, async () => {
        // Another node may have done it since the caller looked.
        found =
          (await this.#isComparedElsewhere(from, key, refreshShare)) || (await this.#compare(from, tag));
        if (found) this.#checked(from, key);
      });
      // Another node has done it.
      if (found === undefined) this.#checkedAt.set(key, performance.now());
      return found ?? true;
    });
  }

  /** Resolves with whether there is such a tag. */
  async #compare(from: Mirrored, tag: Tag): Promise<boolean> {
    const { upstream, permit } = from;
    const cached = await resolveTag(this.services, permit.name, tag);
    const now = await upstream.ask(upstream.times.answer, (late) => headDigest(from, tag, late));
    // A tag that the upstream has deleted is kept until it expires here.
    if (cached !== undefined && (now === undefined || now === cached)) return true;
    return this.#run(from, { kind: "tag", tag });
  }

  /** Fetches and stores a manifest that is not here, on one node. Resolves with whether the upstream has it. */
  async #fetchOnce(from: Mirrored, reference: Reference, key: string): Promise<boolean> {
    let found: boolean | undefined;
    await this.services.cluster.once(`fetch manifest ${key}`, async () => {
      // Another node may have fetched it, or been told that there is none, since the caller looked.
      found = await this.#isHere(from, reference);
      if (found || (await this.#shared.isAbsent(key))) return;
      found = await this.#run(from, reference);
      if (!found) this.#shared.setAbsent(key);
      else if (reference.kind === "tag") this.#checked(from, key);
    });
    return found ?? this.#isHere(from, reference);
  }

  async #run(from: Mirrored, reference: Reference): Promise<boolean> {
    const { upstream, remote } = from;
    const what = referenceText(reference);
    const path = `/v2/${remote}/manifests/${what}`;
    const bytesMax = this.services.rules.manifestBytesMax;
    const found = await upstream.ask(upstream.times.answer, async (late) => {
      const { answer, body } = await upstream.client.whole(remote, path, bytesMax, manifestHeaders, late);
      const bytes = body.length;
      upstream.received(bytes);
      // A copy, because storing consumes it.
      const store = () => this.#store(from, reference, { answer, body: Buffer.from(body) });
      await withRoom(this.room, () => bytes, store).catch((error: unknown) => {
        if (!isWrong(error)) throw error;
        const why = describeError(error);
        throw new RegistryError(
          "upstream-failed",
          `the upstream ${upstream.name} sent a bad manifest: ${why}`,
        );
      });
      this.room.added(bytes);
      return true;
    });
    return found === true;
  }

  async #store(
    { permit: { name }, upstream }: Mirrored,
    reference: Reference,
    { answer, body }: { readonly answer: Answer; readonly body: Buffer },
  ): Promise<void> {
    const digest = namedDigest(answer);
    // A tag is fetched with the digest that the upstream names, so that other bytes are noticed.
    const byDigest = reference.kind === "tag" && digest !== undefined;
    await pushManifest(this.services, ownGate.push(anonymous, name), {
      reference: byDigest ? { kind: "digest", digest } : reference,
      tags: byDigest ? [reference.tag] : [],
      contentType: manifestType(answer),
      bytes: body,
      // The upstream serves it as it is, so clients get it as it is.
      onMismatch: () => {},
      mirrored: true,
      by: `upstream:${upstream.name}`,
    });
  }

  #checked({ upstream }: Mirrored, key: string): void {
    this.#checkedAt.set(key, performance.now());
    this.#shared.setCompared(key, upstream.settings.tagSeconds * 1000);
  }
}

/** Resolves with the digest of a tag at the upstream; `undefined` if the upstream does not name it. */
async function headDigest(
  { upstream, remote }: Mirrored,
  tag: Tag,
  late: AbortSignal,
): Promise<Digest | "unnamed"> {
  const path = `/v2/${remote}/manifests/${tag}`;
  const answer = await upstream.client.request(remote, path, manifestHeaders, "HEAD", late);
  await discard(answer);
  upstream.client.demandSuccess(answer, path);
  return namedDigest(answer) ?? "unnamed";
}

function hit(from: Mirrored, manifest: StoredManifest): MirroredManifest {
  from.note("manifest", "hit");
  return { manifest, isStale: false };
}

function isUnknown(error: unknown): boolean {
  return error instanceof RegistryError && error.kind === "manifest-unknown";
}

/** Whether the upstream's manifest was refused, rather than the storage failing. */
function isWrong(error: unknown): boolean {
  if (error instanceof RegistryErrors) return true;
  if (!(error instanceof RegistryError)) return false;
  return ["manifest-invalid", "digest-mismatch", "size-invalid", "request-invalid"].includes(error.kind);
}
