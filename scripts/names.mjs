// Says what functions of the WASM a stack trace is about: `node scripts/names.mjs < stack.txt` writes it with their names, which the last
// build has put into build/names.json (they are not in the binary: an eighteenth of it). Use it on the build that is deployed.
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { BUILD } from './lib/paths.mjs';
import { named } from './lib/wasm.mjs';

process.stdout.write(named(readFileSync(0, 'utf8'), JSON.parse(readFileSync(join(BUILD, 'names.json'), 'utf8'))));
