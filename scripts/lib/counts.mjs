// Adds up what test runners say about themselves.

export const nothing = () => ({ passed: 0, failed: 0, skipped: 0 });

export function add(into, counts) {
  for (const name of Object.keys(into)) into[name] += counts[name];
  return into;
}

/** The closing figures of node:test's TAP output. A cancelled test is one that did not pass. */
export function countTap(text) {
  const figure = (name) => Number([...text.matchAll(new RegExp(`^# ${name} (\\d+)$`, 'gm'))].at(-1)?.[1] ?? 0);
  return { passed: figure('pass'), failed: figure('fail') + figure('cancelled'), skipped: figure('skipped') + figure('todo') };
}

/** All the "test result:" lines of cargo test, one a binary. */
export function countCargo(text) {
  const counts = nothing();
  for (const [, passed, failed, ignored] of text.matchAll(/^test result: \w+\. (\d+) passed; (\d+) failed; (\d+) ignored/gm)) {
    add(counts, { passed: Number(passed), failed: Number(failed), skipped: Number(ignored) });
  }
  return counts;
}

/** The line that CI reads, alone on its line. */
export const closingLine = ({ passed, failed, skipped }) => `${passed} passed, ${failed} failed, ${skipped} skipped`;
