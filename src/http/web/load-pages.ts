/** Loads the pages that visitors see first, after the start: otherwise the first one would wait 80 ms. */
export async function loadPages(): Promise<void> {
  await Promise.all([
    import("./repositories.js"),
    import("./tags.js"),
    import("./image.js"),
    import("./login.js"),
  ]);
}
