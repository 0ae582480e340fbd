// A Stripe that answers at once with what the local Stripe answered when the journeys were recorded, the ids put in: what is measured is
// not Stripe. Run as a process of its own. `--delay` milliseconds make it as slow as the real one.
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';

const [file, port, delay] = process.argv.slice(2);
const { answers } = JSON.parse(readFileSync(file, 'utf8'));
const pause = Number(delay ?? 0);

const put = (template, ids) => template.replace(/\{\{(\w+)\}\}/g, (_, name) => ids[name] ?? '');

createServer((request, response) => {
  let body = '';
  request.on('data', (chunk) => { body += chunk; });
  request.on('end', () => {
    const path = request.url.split('?')[0];
    const tail = /(?:cct_|cs_test_)([a-z0-9]{26})/.exec(decodeURIComponent(body) + path)?.[1] ?? '';
    const route = `${request.method} ${path.replace(/(cs_test|spt)_[A-Za-z0-9_]+/, '{id}')}`;
    const template = answers[route];
    const ids = { cct: `cct_${tail}`, cs: `cs_test_${tail}`, pi: `pi_${tail}`, spt: /spt_\w+/.exec(path)?.[0] };
    const send = () => {
      response.writeHead(template ? 200 : 404, { 'content-type': 'application/json', 'request-id': 'req_bench' });
      response.end(template ? put(template, ids) : JSON.stringify({ error: { type: 'invalid_request_error', message: `no answer for ${route}` } }));
    };
    if (pause) setTimeout(send, pause);
    else send();
  });
}).listen(Number(port), '127.0.0.1', () => process.send?.('ready'));
