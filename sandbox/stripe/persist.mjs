// Keeps the stand-in's state in a file, so that `npm start` finds yesterday's shop again.
import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';

const PAUSE = 500; // many changes come together; the file is written once for all of them

export function readState(path) {
  let text;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if (error.code === 'ENOENT') return null;
    throw error;
  }
  try {
    const state = JSON.parse(text);
    if (state.version === 1 && state.keys?.test?.secret) return state;
  } catch {
    // Falls through: half a file is of no use, but it is kept for whoever wants to look.
  }
  renameSync(path, `${path}.unreadable`);
  console.error(`local Stripe: the state file could not be read and was renamed to ${path}.unreadable; starting afresh.`);
  return null;
}

export function keepState(world, path) {
  let timer = null;
  const write = () => {
    clearTimeout(timer);
    timer = null;
    mkdirSync(dirname(path), { recursive: true });
    // Written aside and renamed: a process that dies in between leaves the old file whole. It holds keys: owner only.
    writeFileSync(`${path}.new`, JSON.stringify(world.save()), { mode: 0o600 });
    renameSync(`${path}.new`, path);
  };
  world.listeners.change.push(() => {
    timer ??= setTimeout(write, PAUSE).unref();
  });
  return write;
}
