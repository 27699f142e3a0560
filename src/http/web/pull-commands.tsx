/** Commands with which people get an image, for this registry as the visitor reaches it. */
import type { ImageDescription } from "../../browse/content/describe-image.js";
import type { ArtifactKind } from "../../domain/artifact-kind.js";
import type { HttpContext } from "../context.js";
import type { Exchange } from "../exchange.js";
import { type ClientTarget, targetOf } from "./client-target.js";

const imageKinds: ReadonlySet<ArtifactKind> = new Set(["image", "index", "wasm"]);

/** Returns a line for each tool. `name` is the image's, with its tag or digest. */
function commandsFor(
  kind: ArtifactKind | undefined,
  { host, security }: ClientTarget,
  name: string,
): string[] {
  const whole = `${host}/${name}`;
  // podman and skopeo expect TLS on the machine itself, too.
  const unverified = (option: string) => (security === "tls" ? "" : ` ${option}=false`);
  const plain = (option: string) => (security === "plain" ? ` ${option}` : "");
  if (kind === "helm-chart")
    return [`helm pull${plain("--plain-http")} oci://${name.includes("@") ? whole : helmName(whole)}`];
  if (kind === undefined || imageKinds.has(kind))
    return [
      `docker pull ${whole}`,
      `podman pull${unverified("--tls-verify")} ${whole}`,
      `crane pull${plain("--insecure")} ${whole} image.tar`,
      `skopeo copy${unverified("--src-tls-verify")} docker://${whole} oci:image`,
    ];
  return [
    // oras expects TLS at 127.0.0.1, too.
    `oras pull${security === "tls" ? "" : " --plain-http"} ${whole}`,
    `podman artifact pull${unverified("--tls-verify")} ${whole}`,
    `crane manifest${plain("--insecure")} ${whole}`,
  ];
}

/** Helm takes the tag as a version, in which `_` stands for `+`. */
function helmName(whole: string): string {
  const colon = whole.lastIndexOf(":");
  return `${whole.slice(0, colon)} --version ${whole.slice(colon + 1).replaceAll("_", "+")}`;
}

export function PullCommands({
  context,
  exchange,
  found,
}: {
  readonly context: HttpContext;
  readonly exchange: Exchange;
  readonly found: ImageDescription;
}) {
  const { name, tag, digest, kind } = found;
  const target = targetOf(context, exchange);
  const byDigest = commandsFor(kind, target, `${name}@${digest}`).join("\n");
  if (tag === undefined) return <Commands title="Pull" text={byDigest} target={target} />;
  return (
    <>
      <Commands title="Pull" text={commandsFor(kind, target, `${name}:${tag}`).join("\n")} target={target} />
      <details>
        <summary>By digest (never changes)</summary>
        <pre tabindex={0}>{byDigest}</pre>
      </details>
    </>
  );
}

function Commands({
  title,
  text,
  target,
}: {
  readonly title: string;
  readonly text: string;
  readonly target: ClientTarget;
}) {
  return (
    <>
      <h2>{title}</h2>
      <pre tabindex={0}>{text}</pre>
      {target.security === "plain" && text.startsWith("docker") && (
        <p class="note">
          This registry is reached without TLS: docker needs <code>{target.host}</code> among its{" "}
          <code>insecure-registries</code>.
        </p>
      )}
    </>
  );
}
