// Runs other programs. Their output is shown when they fail; `show` hands them the terminal, `tee` shows and keeps it.
import { spawn } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

export class Failed extends Error {}

/** -> {code, out} ; throws Failed with the last lines of the output unless `mayFail`. */
export function run(command, args = [], { cwd, env, show = false, tee = false, mayFail = false, input, timeout, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd, timeout, env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    });
    let out = '';
    const take = (chunk) => {
      out += chunk;
      if (tee) process.stdout.write(chunk);
      if (onLine) for (const line of String(chunk).split('\n')) if (line.trim()) onLine(line.trim());
    };
    child.stdout?.on('data', take);
    child.stderr?.on('data', take);
    child.on('error', (error) => (mayFail ? resolve({ code: 127, out: String(error) }) : reject(new Failed(`${command}: ${error.message}`))));
    child.on('close', (code) => {
      if (code === 0 || mayFail) resolve({ code: code ?? 1, out });
      else reject(new Failed(`${command} ${args.join(' ')} failed (${code ?? 'killed'})\n${out.split('\n').slice(-30).join('\n')}`));
    });
    if (input !== undefined) child.stdin.end(input);
  });
}

/** Where the shell would find a program, as a whole path; or undefined. */
export function which(name) {
  const paths = name.includes('/') ? [name] : (process.env.PATH ?? '').split(delimiter).map((folder) => join(folder, name));
  return paths.find((path) => { try { accessSync(path, constants.X_OK); return true; } catch { return false; } });
}

/** The first of the names that answers to `--version`, as a whole path; or undefined. */
export async function firstThatRuns(names) {
  for (const path of names.filter(Boolean).map(which).filter(Boolean)) {
    if ((await run(path, ['--version'], { mayFail: true, timeout: 20_000 })).code === 0) return path;
  }
  return undefined;
}
