// One process at a time. A directory is made atomically everywhere; a lock whose owner died is taken over.
import { mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const alive = (pid) => {
  try { process.kill(pid, 0); return true; } catch (error) { return error.code === 'EPERM'; }
};

function dead(path) {
  try {
    return !alive(Number(readFileSync(join(path, 'pid'), 'utf8')));
  } catch {
    // No pid yet: its owner is between the two calls below, or was killed there.
    try { return Date.now() - statSync(path).mtimeMs > 10_000; } catch { return false; }
  }
}

export async function withLock(path, work, { onWait = () => {} } = {}) {
  mkdirSync(dirname(path), { recursive: true });
  for (let told = false; ;) {
    try {
      mkdirSync(path);
      break;
    } catch (error) {
      if (error.code !== 'EEXIST') throw error;
    }
    if (dead(path)) { rmSync(path, { recursive: true, force: true }); continue; }
    if (!told) { told = true; onWait(); }
    await new Promise((resolve) => { setTimeout(resolve, 300); });
  }
  writeFileSync(join(path, 'pid'), String(process.pid));
  try {
    return await work();
  } finally {
    rmSync(path, { recursive: true, force: true });
  }
}
