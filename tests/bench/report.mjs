// What a run of the bench found, as a table; with `--write` as docs/performance.md's figures and its chart.
import { readFileSync, writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import { inRoot } from '../../scripts/lib/paths.mjs';

const median = (list) => { const sorted = [...list].sort((a, b) => a - b); return sorted[Math.floor(sorted.length / 2)]; };
const round = (value, digits = 2) => Number(value).toFixed(digits);
/** The ratio of two targets, round by round: its median, and from which to which it went. */
function ratio(rounds, one, other, what = 'cpu') {
  const each = rounds[one].map((figure, at) => figure[what] / rounds[other][at][what]);
  return { median: median(each), low: Math.min(...each), high: Math.max(...each) };
}
const shown = ({ median: middle, low, high }) => `${round(middle)} (${round(low)}–${round(high)})`;

/** What one database carries, from what a checkout took: created, completed, and told of by two webhooks. */
function scale({ costs, saleBytes }) {
  const parts = ['create, 2 lines', 'complete', 'webhook', 'webhook'].map((name) => costs[name]);
  const sum = (what) => parts.reduce((total, part) => total + part[what], 0);
  const [written, read, busy] = [sum('written'), sum('read'), sum('ms')];
  const GB = 1024 ** 3;
  return [
    '| one checkout (created, completed, two webhooks) | |', '| --- | --- |',
    `| within D1, ms | ${round(busy, 1)}: ${Math.floor(1000 / busy)} checkouts a second keep one database busy |`,
    `| rows written / read | ${written} / ${read}: $${round(written / 1000, 3)} and $${round(read / 1e6, 5)} for 1,000 checkouts at $1.00 and $0.001 a million |`,
    `| bytes of a sale in the ledger, indices and days with it | ${Math.round(saleBytes)}: ${(10 * GB / saleBytes / 1e6).toFixed(1)} million sales fill 10 GB |`, '',
  ].join('\n');
}

export function report(result, { write, names }) {
  const { figures, costs, memories, starts, sizes } = result;
  const rows = names.map((name) => {
    const of = figures[name];
    const cost = costs[name];
    return [name, round(median(of.worker.map(({ cpu }) => cpu))), shown(ratio(of, 'worker', 'hono')), shown(ratio(of, 'worker', 'usual')), shown(ratio(of, 'worker', 'floor')),
      Math.round(median(of.worker.map(({ rps }) => rps))), `${round(median(of.worker.map(({ p50 }) => p50)), 1)} / ${round(median(of.worker.map(({ p99 }) => p99)), 1)}`, `${cost.d1} / ${cost.statements}`, cost.stripe, `${cost.read} / ${cost.written}`, round(cost.ms, 1)];
  });
  const head = ['journey', 'CPU ms', '÷ Hono', '÷ Hono, a round trip a statement', '÷ floor', 'requests/s', 'p50 / p99 ms', 'D1 round trips / statements', 'Stripe calls', 'rows read / written', 'ms within D1'];
  const table = [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
  const flat = [['ledger page, 1,000 sales', 'ledger page, 1,000,000'], ['summary, 1,000 sales', 'summary, 1,000,000'], ['search, 1,000 products', 'search, 100,000']].filter((pair) => pair.every((name) => names.includes(name))).map(([small, big]) => {
    const each = figures[big].worker.map(({ cpu }, at) => cpu / figures[small].worker[at].cpu);
    return `| ${big} ÷ ${small} | ${shown({ median: median(each), low: Math.min(...each), high: Math.max(...each) })} | ${costs[small].read} → ${costs[big].read} |`;
  });
  const waits = names.map((name) => `| ${name} | ${['worker', 'hono', 'usual'].map((kind) => round(result.latency[name][kind], 0)).join(' | ')} |`);
  const kinds = ['worker', 'hono', 'floor'];
  const first = Object.fromEntries(kinds.map((name) => [name, median(starts[name].map(({ ms }) => ms))]));
  const text = [
    `${result.rounds} rounds of ${result.requests} requests, 8 at a time; medians, ratios round by round with their lowest and highest. ${cpus().length} cores.`, '', table, '',
    '| what grows | CPU ratio | rows read |', '| --- | --- | --- |', ...flat, '',
    'What a buyer or an agent waits, ms (median, one at a time), with every round trip to D1 taking 20 ms and Stripe 300:', '',
    '| journey | Worker | Hono | Hono, a round trip a statement |', '| --- | --- | --- | --- |', ...waits, '',
    '| | Worker | Hono | floor |', '| --- | --- | --- | --- |',
    `| start to first answer, ms | ${kinds.map((name) => round(first[name], 0)).join(' | ')} |`,
    `| CPU until then, ms | ${kinds.map((name) => round(median(starts[name].map(({ cpu }) => cpu)), 0)).join(' | ')} |`,
    `| size, KB raw / gzipped | ${kinds.map((name) => `${sizes[name].raw} / ${sizes[name].gzip}`).join(' | ')} |`,
    `| memory of the process at the end / at most, MB | ${kinds.map((name) => `${memories[name].now} / ${memories[name].peak}`).join(' | ')} |`, '', scale(result),
  ].join('\n');
  console.log(`\n${text}`);
  if (!write) return;
  const path = inRoot('docs', 'performance.md');
  const page = readFileSync(path, 'utf8');
  const [begin, end] = ['<!-- figures: written by `npm run bench -- --write` -->', '<!-- end of figures -->'];
  writeFileSync(path, `${page.slice(0, page.indexOf(begin) + begin.length)}\n\n${text}\n${page.slice(page.indexOf(end))}`);
  writeFileSync(inRoot('docs', 'performance.svg'), chart(names.map((name) => ({ name, hono: ratio(figures[name], 'worker', 'hono'), usual: ratio(figures[name], 'worker', 'usual'), floor: ratio(figures[name], 'worker', 'floor') }))));
}

/** CPU of the Worker over that of each twin, a bar each with its spread. Below 1 the Worker takes less. */
function chart(rows) {
  const [left, width, line, most] = [190, 560, 54, 2];
  const x = (value) => left + (Math.min(value, most) / most) * width;
  const colours = { usual: '#9aa5b1', hono: '#4c6ef5', floor: '#e8590c' };
  const bars = rows.flatMap(({ name, ...of }, at) => {
    const top = 50 + at * line;
    return [`<text x="${left - 10}" y="${top + 22}" text-anchor="end">${name}</text>`, ...Object.entries(colours).map(([kind, colour], n) => {
      const { median: middle, low, high } = of[kind];
      const y = top + n * 14;
      return `<rect x="${left}" y="${y}" width="${x(middle) - left}" height="11" fill="${colour}"/><line x1="${x(low)}" x2="${x(high)}" y1="${y + 5.5}" y2="${y + 5.5}" stroke="#212529"/><text x="${x(Math.max(middle, high)) + 5}" y="${y + 9.5}" font-size="10">${round(middle)}</text>`;
    })];
  });
  const height = 70 + rows.length * line;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${left + width + 60} ${height}" font-family="system-ui, sans-serif" font-size="12" role="img" aria-label="CPU of the Worker divided by that of its twins, by journey">
<rect width="100%" height="100%" fill="#fff"/>
<text x="${left}" y="18">CPU a request: the Worker ÷ Hono, a round trip a statement (grey), ÷ Hono (blue), ÷ floor (orange)</text>
<line x1="${x(1)}" x2="${x(1)}" y1="30" y2="${height - 20}" stroke="#adb5bd" stroke-dasharray="4 3"/><text x="${x(1)}" y="${height - 6}" text-anchor="middle">1</text>
${bars.join('\n')}
</svg>
`;
}
