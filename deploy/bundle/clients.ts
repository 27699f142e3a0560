/** Requests of the first clients of a server: a push, a pull and a visitor of the pages. */
import { createHash } from "node:crypto";

export async function useAsClients(url: string): Promise<void> {
  const config = Buffer.from("{}");
  const digestOf = (bytes: Buffer) => `sha256:${createHash("sha256").update(bytes).digest("hex")}`;
  const mediaType = "application/vnd.oci.image.manifest.v1+json";
  const descriptor = {
    mediaType: "application/vnd.oci.empty.v1+json",
    digest: digestOf(config),
    size: config.length,
  };
  const manifest = JSON.stringify({ schemaVersion: 2, mediaType, config: descriptor, layers: [descriptor] });
  const request = async (method: string, path: string, body?: string | Buffer, headers = {}) => {
    const response = await fetch(new URL(path, url), {
      method,
      headers,
      ...(body !== undefined && { body }),
      redirect: "manual",
    });
    await response.arrayBuffer();
    return response;
  };
  await request("GET", "/v2/");
  const { headers } = await request("POST", "/v2/app/blobs/uploads/");
  const upload = new URL(headers.get("location") ?? "", url);
  upload.searchParams.set("digest", descriptor.digest);
  await request("PUT", upload.href, config);
  await request("PUT", "/v2/app/manifests/v1", manifest, { "content-type": mediaType });
  await request("GET", "/v2/app/manifests/v1");
  await request("GET", `/v2/app/blobs/${descriptor.digest}`);
  for (const page of ["", "r/app/_tags", "r/app/_image/v1"]) await request("GET", `/ui/${page}`);
}
