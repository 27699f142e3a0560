/** Shared memory that begins where a page does, as writing past the page cache wants it. */

/** The unit in which a WebAssembly memory is made; the kernel's pages divide it. */
const unitBytes = 64 * 1024;

/**
 * At least so many bytes. A SharedArrayBuffer made by its own constructor begins behind an allocator's
 * header; nothing in JavaScript but a WebAssembly memory promises an address.
 */
export function alignedMemory(bytes: number): SharedArrayBuffer {
  const units = Math.ceil(bytes / unitBytes);
  return new WebAssembly.Memory({ initial: units, maximum: units, shared: true }).buffer;
}
