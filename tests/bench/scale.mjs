// What several databases carry (docs/scale.md): a simulation, since one machine cannot have many of Cloudflare's. Each database is one
// thread that does one batch after the other, in the times that `npm run bench` measured within D1; shops are spread by the same hash as in
// src/place.rs. How many checkouts a second there are before one batch in a hundred waits for longer than a person would notice.
//   npm run bench -- --scale [--write]
import { createHash } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { inRoot } from '../../scripts/lib/paths.mjs';

const SLOTS = 32;
const SHOPS = 10_000;
/** Batches that are simulated for each figure. */
const BATCHES = 150_000;
/** One batch in a hundred may take this long in its database, waiting and working, ms. */
const PATIENCE = 100;

/** A generator of numbers that are the same in each run (mulberry32). */
function seeded(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6D2B79F5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** What the last `npm run bench -- --write` measured. */
function measured() {
  const text = readFileSync(inRoot('docs', 'performance.md'), 'utf8');
  const number = (pattern, what) => {
    const found = pattern.exec(text);
    if (!found) throw new Error(`docs/performance.md does not say ${what}: run \`npm run bench -- --write\` first`);
    return Number(found[1].replaceAll(',', ''));
  };
  const trips = (name) => number(new RegExp(`^\\| ${name} \\|(?:[^|]*\\|){6} (\\d+) /`, 'm'), `the round trips of "${name}"`);
  return {
    within: number(/within D1, ms \| ([\d.]+):/, 'what a checkout takes within D1'),
    bytes: number(/bytes of a sale[^|]*\| ([\d,]+):/, 'how large a sale is'),
    // Made, come home, and two events.
    batches: trips('create, 2 lines') + trips('complete') + 2 * trips('webhook'),
  };
}

const slotOf = (shop) => createHash('sha256').update(`shop-${shop}.example`).digest()[0] & 31;

/** The share of the sales that falls on each database. `skew`: 0, all shops sell the same; 1, the nth sells an nth of the first. */
function sharesOf(databases, skew) {
  const shares = Array.from({ length: databases }, () => 0);
  let all = 0;
  for (let shop = 0; shop < SHOPS; shop += 1) {
    const sells = (shop + 1) ** -skew;
    shares[Math.floor((slotOf(shop) * databases) / SLOTS)] += sells;
    all += sells;
  }
  return shares.map((share) => share / all);
}

/** The time that one batch in a hundred takes at most in the database that has most to do, ms: it comes when it comes, and is served in turn. */
function slowest({ perSecond, share, service, random }) {
  const gap = 1000 / (perSecond * share);
  const times = [];
  let now = 0;
  let free = 0;
  for (let batch = 0; batch < BATCHES; batch += 1) {
    now += -Math.log(1 - random()) * gap;
    free = Math.max(free, now) - Math.log(1 - random()) * service;
    times.push(free - now);
  }
  times.sort((a, b) => a - b);
  return times[Math.floor(times.length * 0.99)];
}

/** Checkouts a second. */
function carries(databases, skew, { within, batches }) {
  const share = Math.max(...sharesOf(databases, skew));
  const service = within / batches;
  let [low, high] = [0, 1000 / within / share];
  for (let step = 0; step < 12; step += 1) {
    const middle = (low + high) / 2;
    if (slowest({ perSecond: middle * batches, share, service, random: seeded(7) }) <= PATIENCE) low = middle; else high = middle;
  }
  return { most: low, share };
}

export function scale({ write = false } = {}) {
  const known = measured();
  const lines = [
    `From ${known.within} ms within D1 for a checkout in ${known.batches} batches, ${SHOPS.toLocaleString('en')} shops; the limit is where one batch in a hundred takes more than ${PATIENCE} ms in its database.`,
    '',
    '| databases | all shops alike: checkouts a second | the largest shop has a tenth of all sales | the busiest database then has | sales that fit |',
    '| --- | --- | --- | --- | --- |',
  ];
  for (const databases of [1, 2, 4, 8, 16, 32]) {
    const [even, skewed] = [carries(databases, 0, known), carries(databases, 1, known)];
    const fit = (10e9 / known.bytes) * databases;
    lines.push(`| ${databases} | ${Math.round(even.most).toLocaleString('en')} | ${Math.round(skewed.most).toLocaleString('en')} | ${Math.round(skewed.share * 100)} % | ${Math.round(fit / 1e6).toLocaleString('en')} million |`);
  }
  console.log(lines.join('\n'));
  if (!write) return;
  const path = inRoot('docs', 'scale.md');
  const marks = [/<!-- figures: [^>]*-->/, /<!-- end of figures -->/];
  const text = readFileSync(path, 'utf8');
  const from = marks[0].exec(text);
  const to = marks[1].exec(text);
  writeFileSync(path, `${text.slice(0, from.index + from[0].length)}\n\n${lines.join('\n')}\n\n${text.slice(to.index)}`);
}
