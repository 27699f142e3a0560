/** `npm run licenses`: prints each package that an installed Gantry has, with its version and its licence. */
import { type Component, readBill } from "./bill.js";

function licenseOf({ licenses = [] }: Component): string {
  const names = licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name);
  return names.length > 0 ? names.join(" AND ") : "unknown";
}

const { metadata, components } = await readBill();
for (const component of [metadata.component, ...components])
  process.stdout.write(`${component.name}\t${component.version}\t${licenseOf(component)}\n`);
