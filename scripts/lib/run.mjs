// Runs other programs. Their output is shown only when they fail, or when `show` asks for it.
import { spawn } from 'node:child_process';

export class Failed extends Error {}

/** -> {code, out} ; throws Failed with the last lines of the output unless `mayFail`. */
export function run(command, args = [], { cwd, env, show = false, mayFail = false, input, timeout, onLine } = {}) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, {
      cwd, timeout, env: { ...process.env, ...env },
      stdio: [input === undefined ? 'ignore' : 'pipe', show ? 'inherit' : 'pipe', show ? 'inherit' : 'pipe'],
    });
    let out = '';
    const take = (chunk) => {
      out += chunk;
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

/** The first of the names that answers to `--version`, or undefined. */
export async function firstThatRuns(names, args = ['--version']) {
  for (const name of names.filter(Boolean)) {
    if ((await run(name, args, { mayFail: true, timeout: 20_000 })).code === 0) return name;
  }
  return undefined;
}
