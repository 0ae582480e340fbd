// `npm run conformance`: the suite against any server. See README.md.
import { main, setup } from '../../scripts/setup.mjs';

await main(import.meta.url, async () => {
  await setup({ rust: false });
  // Only now: these need what setup installs.
  const { HELP, read, startFromArguments } = await import('./targets/arguments.mjs');
  const { openSuite } = await import('./suite.mjs');
  const { table } = await import('./requirements.mjs');
  const { sources } = await import('./suites/schemas.mjs');

  const values = read(process.argv.slice(2));
  if (values.help) return console.log(HELP);
  if (values.table) return console.log(table());
  const target = await startFromArguments(values);
  const say = values.json ? () => {} : (line) => console.log(line);
  try {
    for (const line of sources(target.versions)) say(`# ${line}`);
    const count = { passed: 0, failed: 0, advice: 0, skipped: 0 };
    for (const { run, ...about } of openSuite(target, { only: values.only?.split(',') }).tests) {
      const result = await run();
      const counts = values.strict || about.level === 'must';
      if (result.ok) count.passed += 1;
      else if (result.skipped) count.skipped += 1;
      else count[counts ? 'failed' : 'advice'] += 1;
      if (values.json) console.log(JSON.stringify({ ...about, ...result }));
      const mark = result.ok ? 'ok  ' : result.skipped ? 'skip' : counts ? 'FAIL' : 'note';
      const more = result.ok ? '' : `\n       ${(result.skipped ?? result.why).replaceAll('\n', '\n       ')}`;
      say(`${mark} [${about.level}] ${about.title}${more}`);
    }
    const beyond = count.advice ? `; ${count.advice} beyond what the protocol demands were not met (--strict counts them)` : '';
    say(`\n${count.passed} passed, ${count.failed} failed, ${count.skipped} skipped${beyond}`);
    if (count.failed > 0 || count.passed === 0) process.exitCode = 1;
  } finally {
    await target.close();
  }
  return undefined;
});
