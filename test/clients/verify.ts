/**
 * Verifies a registry from outside, with only HTTP and a hash: fetches a reference and everything below it, and compares the
 * digest and size of each.
 */
import assert from "node:assert/strict";
import { createHash } from "node:crypto";

const manifestTypes = [
  "application/vnd.oci.image.index.v1+json",
  "application/vnd.oci.image.manifest.v1+json",
  "application/vnd.docker.distribution.manifest.list.v2+json",
  "application/vnd.docker.distribution.manifest.v2+json",
];

interface Content {
  readonly mediaType?: string;
  readonly digest: string;
  readonly size: number;
}

interface ManifestBody {
  readonly config?: Content;
  readonly layers?: readonly Content[];
  readonly manifests?: readonly Content[];
}

/** A client's view of a repository. */
export class Remote {
  constructor(
    private readonly url: string,
    readonly repository: string,
    private readonly headers: Readonly<Record<string, string>> = {},
  ) {}

  /** Returns the digest of a tag's target, as reported by the registry. */
  async digest(reference: string): Promise<string> {
    const answer = await this.#get(`manifests/${reference}`, "HEAD");
    return answer.headers.get("docker-content-digest") ?? "";
  }

  /** Fetches a manifest and everything that it names. Returns its digest and the number of compared objects. */
  async verify(reference: string): Promise<{ digest: string; compared: number }> {
    const answer = await this.#get(`manifests/${reference}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    const digest = `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
    assert.equal(answer.headers.get("docker-content-digest"), digest, `${this.repository}:${reference}`);
    if (reference.includes(":")) assert.equal(reference, digest);

    const body = JSON.parse(bytes.toString("utf8")) as ManifestBody;
    let compared = 1;
    const children = body.manifests ?? [];
    const isBlob = ({ mediaType = "" }: Content) => !manifestTypes.includes(mediaType);
    for (const child of children) {
      if (!isBlob(child)) compared += (await this.verify(child.digest)).compared;
    }
    // The index of a BuildKit cache names blobs.
    for (const blob of [body.config, ...(body.layers ?? []), ...children.filter(isBlob)]) {
      if (blob === undefined) continue;
      await this.#verifyBlob(blob);
      compared += 1;
    }
    return { digest, compared };
  }

  /** Returns the digests of a manifest's referrers from the referrers API. */
  async referrers(digest: string): Promise<readonly string[]> {
    const answer = await this.#get(`referrers/${digest}`);
    const body = (await answer.json()) as ManifestBody;
    return (body.manifests ?? []).map((manifest) => manifest.digest);
  }

  /** Returns the JSON at a path below the repository, unchecked. */
  async json(path: string): Promise<unknown> {
    return (await this.#get(path)).json();
  }

  async #verifyBlob(blob: Content): Promise<void> {
    const answer = await this.#get(`blobs/${blob.digest}`);
    const hash = createHash(blob.digest.slice(0, blob.digest.indexOf(":")));
    let size = 0;
    assert.ok(answer.body, "a blob has a body");
    for await (const chunk of answer.body) {
      hash.update(chunk);
      size += chunk.length;
    }
    assert.equal(size, blob.size, blob.digest);
    assert.ok(blob.digest.endsWith(`:${hash.digest("hex")}`), `${blob.digest} has other bytes`);
  }

  async #get(path: string, method = "GET"): Promise<Response> {
    const answer = await fetch(`${this.url}/v2/${this.repository}/${path}`, {
      method,
      headers: { accept: manifestTypes.join(", "), ...this.headers },
      signal: AbortSignal.timeout(60_000),
    });
    assert.ok(answer.ok, `${method} ${this.repository}/${path} answered ${answer.status}`);
    return answer;
  }
}
