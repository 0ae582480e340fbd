// One line for whatever takes longer than a moment: what, why, and how long it took.
const SOON_MS = 700;
const STILL_MS = 15_000;
const seconds = (from) => `${((performance.now() - from) / 1000).toFixed(1)} s`;

/** Runs `work(note)`; silent when it is done at once. `note(text)` is what a "still at it" line shows. */
export async function step(what, why, work) {
  const began = performance.now();
  let shown = false;
  let latest = '';
  const show = setTimeout(() => { shown = true; console.log(`  ${what}: ${why} …`); }, SOON_MS);
  const still = setInterval(() => console.log(`  ${what}: ${seconds(began)} so far${latest && ` (${latest.slice(0, 60)})`}`), STILL_MS);
  try {
    const result = await work((text) => { latest = text; });
    if (shown) console.log(`  ${what}: done in ${seconds(began)}`);
    return result;
  } catch (error) {
    if (shown) console.log(`  ${what}: failed after ${seconds(began)}`);
    throw error;
  } finally {
    clearTimeout(show);
    clearInterval(still);
  }
}
