/** Allocates shared memory that begins on a page boundary, which direct I/O (O_DIRECT) requires. */

/** The allocation unit of a WebAssembly memory, a multiple of the kernel's page size. */
const unitBytes = 64 * 1024;

/**
 * Returns at least `bytes` bytes. A plain SharedArrayBuffer begins behind the allocator's header; only a WebAssembly memory
 * guarantees its alignment.
 */
export function alignedMemory(bytes: number): SharedArrayBuffer {
  const units = Math.ceil(bytes / unitBytes);
  return new WebAssembly.Memory({ initial: units, maximum: units, shared: true }).buffer;
}
