// How much memory the local runtime takes: the process that this one started.
import { readdirSync, readFileSync } from 'node:fs';

const read = (path) => { try { return readFileSync(path, 'utf8'); } catch { return ''; } };

/** Megabytes of the largest workerd that this process started; 0 where /proc does not tell. */
export function runtimeMemory() {
  let pids = [];
  try { pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name)); } catch { return 0; }
  const ours = pids.filter((pid) => read(`/proc/${pid}/comm`).trim() === 'workerd' && read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ')[1] === String(process.pid));
  return Math.max(0, ...ours.map((pid) => Number(/VmRSS:\s*(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) / 1024));
}
