/**
 * The bill of materials of an installed Gantry, in CycloneDX: as npm makes it from the lock file, without what
 * is for development only, and with what npm gets wrong put right.
 */
import { execFile } from "node:child_process";
import { promisify } from "node:util";

export interface Component {
  readonly name: string;
  readonly version: string;
  /** Each has an SPDX identifier, or an expression of them. */
  readonly licenses?: readonly { license?: { id?: string; name?: string }; expression?: string }[];
  readonly purl: string;
}

export interface Bill {
  readonly metadata: { readonly component: Component };
  readonly components: readonly Component[];
}

/** By package; each with why it is not what the package says of itself. */
const licenses: Readonly<Record<string, string>> = {
  // Whoever repackages it writes ISC; the LICENSE in it is the one of those who wrote it.
  "uWebSockets.js": "Apache-2.0",
};

/** To be called in the folder that has the lock file. Rejects where npm fails. */
export async function readBill(): Promise<Bill> {
  const format = ["--sbom-format", "cyclonedx", "--sbom-type", "application"];
  const { stdout } = await promisify(execFile)(
    "npm",
    ["sbom", ...format, "--omit", "dev", "--package-lock-only"],
    { maxBuffer: 64 * 1024 * 1024 },
  );
  const bill = JSON.parse(stdout) as Bill;
  return {
    ...bill,
    // npm takes the folder's name.
    metadata: { ...bill.metadata, component: { ...bill.metadata.component, name: "gantry" } },
    components: bill.components.map((component) => {
      const id = licenses[component.name];
      return id === undefined ? component : { ...component, licenses: [{ license: { id } }] };
    }),
  };
}
