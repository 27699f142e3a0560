/** Every attack. A new one is a file beside this one and a line here. */

import { abortedListings } from "./aborted-listings.js";
import type { Attack } from "./attack.js";
import { busyLists, halfHeads, longConditions, queuedRanges, unreadManifests } from "./costly-answers.js";
import { descriptors } from "./descriptors.js";
import { globStars } from "./glob-stars.js";
import { handshakes } from "./handshakes.js";
import { manifestAttacks } from "./large-manifests.js";
import { manyRanges } from "./many-ranges.js";
import { manySessions } from "./many-sessions.js";
import { reservedMemory } from "./reserved-memory.js";
import { tinyChunksManifest, tinyChunksToken, tinyChunksUploads } from "./tiny-chunks.js";
import { oneByteChunksPush, pipelinedGets } from "./unfair.js";
import { unreadOutput } from "./unread-output.js";
import { slowVisitors, streamFlood, unreadPages } from "./web-clients.js";
import { manyPages } from "./web-pages.js";

export const attacks: readonly Attack[] = [
  tinyChunksToken,
  tinyChunksManifest,
  tinyChunksUploads,
  reservedMemory,
  manySessions,
  manyRanges,
  descriptors,
  unreadOutput,
  globStars,
  pipelinedGets,
  oneByteChunksPush,
  unreadManifests,
  busyLists,
  halfHeads,
  queuedRanges,
  longConditions,
  ...manifestAttacks,
  abortedListings,
  manyPages,
  slowVisitors,
  unreadPages,
  streamFlood,
  handshakes,
];
