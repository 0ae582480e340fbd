// The other side of `what_is_let_in_is_the_same_to_new_url` (weburl.rs): what `new URL()` makes of each address that was let in.
// Reads one JSON object a line; prints how many were compared, or what differs, and ends with 1 then.
import { text } from 'node:stream/consumers';

/** The one thing that is let in and that browsers refuse: a label that claims to be punycode and is not. It leads nowhere. */
const claimsPunycode = (raw) => /^https:\/\/([^/?#:]*\.)?xn--/i.test(raw);

const cases = (await text(process.stdin)).split('\n').filter(Boolean).map((line) => JSON.parse(line));
const differences = [];
let refused = 0;
for (const { raw, href, origin, path, query, fragment, site, value, with: added } of cases) {
  const differs = (what, ours, theirs) => { if (ours !== theirs) differences.push({ raw, what, ours, theirs }); };
  if (!URL.canParse(raw)) {
    if (claimsPunycode(raw)) refused += 1;
    else differs('parses', true, false);
    differs('parses as it was written', URL.canParse(href), false);
    continue;
  }
  const url = new URL(raw);
  differs('href', href, url.href);
  differs('written again', href, new URL(href).href);
  differs('origin', origin, url.origin);
  differs('user and password', ':', `${url.username}:${url.password}`);
  differs('path', path, url.pathname);
  differs('query', query ? `?${query}` : '', url.search);
  differs('fragment', fragment ? `#${fragment}` : '', url.hash);
  if (site !== null) differs('site', site, url.origin + url.pathname.replace(/\/+$/, ''));
  const more = new URL(added);
  differs('origin with our parameter', origin, more.origin);
  differs('path with our parameter', path, more.pathname);
  differs('our parameter', value, more.searchParams.getAll('cc').at(-1));
  differs('fragment with our parameter', url.hash, more.hash);
}
if (differences.length > 0) {
  for (const difference of differences.slice(0, 20)) console.log(JSON.stringify(difference));
  console.log(`${differences.length} differences`);
  process.exitCode = 1;
} else if (refused > cases.length / 2) {
  console.log(`${refused} of ${cases.length} are refused for their punycode: little was compared`);
  process.exitCode = 1;
} else {
  console.log(`${cases.length} compared, ${refused} of them invalid punycode`);
}
