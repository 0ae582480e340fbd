// The register: every requirement has one entry with what it asks, of which versions, where the protocol says so, and the check that
// proves it. README.md's table is printed from here, and a test holds the two together.
import assert from 'node:assert/strict';
import { VERSIONS } from './dialects.mjs';

/** must and should as the protocol says them; ours is what this project promises beyond it, and what clients were seen to look for. */
export const LEVELS = ['must', 'should', 'ours'];

const register = new Map();
let file = '';

/** Names the file whose requirements follow. */
export const inFile = (name) => {
  file = name;
};

/** Why a check cannot be made at this server. It is printed, and never counts as passed. */
export class Skip extends Error {}

function add(entry) {
  assert.ok(!register.has(entry.id), `the requirement ${entry.id} is registered twice`);
  assert.ok(LEVELS.includes(entry.level), `${entry.id}: there is no level "${entry.level}"`);
  for (const version of entry.versions) assert.ok(VERSIONS.includes(version), `${entry.id}: there is no version "${version}"`);
  register.set(entry.id, { file, needs: [], ...entry });
}

/**
 * One that is proved by what it does: check(t) fails by throwing.
 * needs: what the target must be able to do (`product:digital`, `token:declined`, `mcp`, …), else it is skipped and the reason printed.
 */
export function requirement(id, { versions, level = 'must', section, says, needs }, check) {
  add({ id, versions, level, section, says, ...(needs && { needs }), check });
}

/**
 * One that must hold in every answer: look(answer, t) gives what is wrong, true where it looked and all was well, and undefined where the
 * answer is not of the kind. These are reported after all others of their version.
 */
export function always(id, { versions, level = 'must', section, says, needs }, look) {
  add({ id, versions, level, section, says, ...(needs && { needs }), look });
}

/** All requirements, in the order in which they were written down. */
export const requirements = () => [...register.values()];

/** The table of README.md. */
export function table() {
  const range = (versions) => {
    if (versions.length === VERSIONS.length) return 'all';
    const at = versions.map((version) => VERSIONS.indexOf(version));
    const unbroken = at.every((position, i) => i === 0 || position === at[i - 1] + 1);
    if (versions.length === 1) return versions[0];
    return unbroken && at.at(-1) === VERSIONS.length - 1
      ? `${versions[0]} and later`
      : unbroken
        ? `${versions[0]} to ${versions.at(-1)}`
        : versions.join(', ');
  };
  const rows = requirements().map(
    ({ id, level, versions, section, says, file: at }) =>
      `| \`${id}\` | ${level} | ${range(versions)} | ${says} | ${section} | [${at}](suites/${at}.mjs) |`,
  );
  return ['| requirement | level | versions | what | where it is said | test |', '| --- | --- | --- | --- | --- | --- |', ...rows].join(
    '\n',
  );
}
