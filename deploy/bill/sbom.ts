/** `npm run sbom`: prints the bill of materials. */
import { readBill } from "./bill.js";

process.stdout.write(`${JSON.stringify(await readBill(), null, 2)}\n`);
