// Catalogues on their way in: imports of v2 with their presigned addresses, and the way before it, files and import sets.
// Files lie on disk until they have been worked on: the largest has gigabytes.
import { createReadStream, createWriteStream, existsSync, mkdtempSync, rmSync } from 'node:fs';
import { rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Indexing } from './catalogue.mjs';
import { StripeError, invalid, unknownObject } from './errors.mjs';
import { random } from './ids.mjs';
import { line, Table } from './tables.mjs';

const V2 = 'v2.commerce.product_catalog_import';
const SET = 'data_management.import_set';
/** What an address for an upload lives, and one for refused rows, seconds. */
const UPLOAD_LIFE = 15 * 60;
const ERRORS_LIFE = 5 * 60;
const MOST_UPLOAD = 4 * 1024 ** 3;
const MOST_FILE = 200 * 1024 * 1024;
const SAMPLES = 10;

const iso = (seconds) => new Date(seconds * 1000).toISOString();
const FORMATS = { product_catalog_feed: 'product', inventory_feed: 'inventory' };

/** The operations that only the seed's preview header opens. */
export const udapRoutes = ['POST /v1/data_management/import_sets', 'GET /v1/data_management/import_sets/{import_set}'];

export class Imports {
  constructor(world, misbehaviour, log) {
    Object.assign(this, { world, misbehaviour, log });
    this.tokens = new Map(); // token of an address → { upload: import id } or { errors: path, until }
    this.running = new Set();
    this.held = false;
    this.waiting = [];
    this.late = false; // whether what is uploaded is noticed later
    this.underway = [];
    this.failures = []; // what becomes of the next imports, when that is asked for
    world.imports = this;
  }

  folder() {
    this.directory ??= mkdtempSync(join(tmpdir(), 'local-stripe-'));
    return this.directory;
  }

  path() {
    return join(this.folder(), random(16));
  }

  async close() {
    this.held = false;
    for (const wake of this.waiting.splice(0)) wake();
    await Promise.allSettled([...this.running]);
    if (this.directory) rmSync(this.directory, { recursive: true, force: true });
  }

  /** From now on imports stay `processing` until they are let go (true), or go on by themselves (false). */
  hold(held) {
    this.held = held;
    if (!held) for (const wake of this.waiting.splice(0)) wake();
  }

  /** From now on an upload is noticed only when that is over: until then its import is `awaiting_upload`. */
  notice(late) {
    this.late = late;
    if (!late) for (const arrived of this.underway.splice(0)) arrived();
  }

  /** Of the imports that are held the one that came last goes on: nobody promises their order. */
  letLastGo() {
    this.waiting.pop()?.();
  }

  /** Resolves when no import is being worked on. */
  async drained() {
    while (this.running.size > 0) await Promise.allSettled([...this.running]);
  }

  // -- v2 ----------------------------------------------------------------------------------------------------------

  address(path) {
    const token = random(32);
    return { token, url: `${this.world.url}${path}${token}` };
  }

  create({ feed_type, mode, metadata }, scope) {
    if (mode === 'replace' && feed_type !== 'product') throw invalid(`${feed_type} feeds support upsert only.`, { param: 'mode' });
    const id = `pcimprt_${scope.livemode ? '' : 'test_'}61${random(38)}`;
    const { token, url } = this.address('/files/us-west-2/upload/');
    const until = this.world.now() + UPLOAD_LIFE;
    this.tokens.set(token, { upload: id, until });
    const object = { id, object: V2, created: iso(this.world.now()), feed_type, livemode: scope.livemode, metadata, mode, status: 'awaiting_upload' };
    return this.show(this.world.add(V2, object, { ...scope, upload: { url, until } }));
  }

  /** As the API shows it: what it says of itself depends on how far it is. An address for refused rows is made anew each time. */
  show(record) {
    const { object } = record;
    const details = {
      awaiting_upload: () => ({ upload_url: { url: record.upload.url, expires_at: iso(record.upload.until) } }),
      processing: () => ({ error_count: '0', success_count: '0' }),
      succeeded: () => ({ success_count: String(record.success) }),
      succeeded_with_errors: () => {
        const { token, url } = this.address('/files/us-west-2/download/');
        const until = this.world.now() + ERRORS_LIFE;
        this.tokens.set(token, { errors: record.errors.path, until });
        return {
          error_count: String(record.errors.count), success_count: String(record.success), samples: record.errors.samples,
          error_file: { content_type: 'text/csv', download_url: { url, expires_at: iso(until) }, size: String(record.errors.size) },
        };
      },
      failed: () => record.failure,
    };
    return structuredClone({ ...object, status_details: { [object.status]: details[object.status]() } });
  }

  // -- files on their way ------------------------------------------------------------------------------------------

  /** A presigned address is used: PUT of a file, or GET of refused rows. */
  async serve(request, response, url, rule) {
    const token = this.tokens.get(url.pathname.split('/').at(-1));
    const answer = (status, text, more = {}) => ({ status, headers: { 'Content-Type': 'application/xml', ...more }, body: text });
    const gone = answer(403, '<Error><Code>AccessDenied</Code><Message>Request has expired</Message></Error>');
    if (request.method === 'GET') {
      // Files are forgotten when the stand-in ends; what it remembers of them leads nowhere then.
      if (!token?.errors || token.until < this.world.now() || !existsSync(token.errors)) return gone;
      if (rule?.how === '500') return answer(500, '<Error><Code>InternalError</Code></Error>');
      if (rule?.how === 'hold_before') await this.misbehaviour.hold();
      response.writeHead(200, { 'Content-Type': 'text/csv' });
      createReadStream(token.errors).pipe(response);
      return null;
    }
    if (request.method !== 'PUT' || !token?.upload || token.until < this.world.now()) {
      request.resume();
      return gone;
    }
    const record = this.world.record(V2, token.upload);
    const length = Number(request.headers['content-length']);
    const type = (request.headers['content-type'] ?? '').split(';')[0];
    const refuse = (status, code) => {
      request.resume();
      return answer(status, `<Error><Code>${code}</Code></Error>`);
    };
    if (request.headers.authorization) return refuse(400, 'OnlyOneAuthMechanismAllowed');
    if (request.headers['content-length'] === undefined) return refuse(411, 'MissingContentLength');
    if (length > MOST_UPLOAD) return refuse(413, 'EntityTooLarge');
    if (type !== 'text/csv' && type !== 'text/tab-separated-values') return refuse(400, 'InvalidContentType');
    if (record.object.status !== 'awaiting_upload') return refuse(403, 'AccessDenied');
    if (rule?.how === 'drop_before') {
      request.socket.destroy();
      return null;
    }
    if (rule?.how === '500') return refuse(500, 'InternalError');
    const path = this.path();
    const size = await toDisk(request, path, MOST_UPLOAD);
    if (size === null || size !== length) {
      // Not whole: as if it had never been sent.
      await rm(path, { force: true });
      return null;
    }
    const arrived = () => {
      if (record.object.status !== 'awaiting_upload') return;
      record.object.status = 'processing';
      this.tell(record);
      this.start(record, path, type, record.object.feed_type, record.object.mode, (outcome) => {
        Object.assign(record, outcome);
        record.object.status = outcome.failure ? 'failed' : outcome.errors ? 'succeeded_with_errors' : 'succeeded';
        this.tell(record);
      });
    };
    if (this.late) this.underway.push(arrived);
    else arrived();
    if (rule?.how === 'hold_after') await this.misbehaviour.hold();
    return rule?.how === 'drop_after' ? { drop: true } : { status: 200, headers: {}, body: '' };
  }

  /** Sends the thin event of where an import stands. */
  tell({ object, owner, livemode }) {
    if (!['processing', 'succeeded', 'succeeded_with_errors', 'failed'].includes(object.status)) return;
    this.world.emitThin(`v2.commerce.product_catalog.imports.${object.status}`, { id: object.id, type: V2, url: `/v2/commerce/product_catalog/imports/${object.id}` }, { owner, livemode });
  }

  start(record, path, type, feedType, mode, done) {
    const failure = this.failures.shift();
    const work = (async () => {
      if (this.held) await new Promise((wake) => { this.waiting.push(wake); });
      else await new Promise(setImmediate);
      let outcome;
      if (failure) outcome = { failure: { code: 'internal_error', failure_message: 'Something went wrong on our end.', type: 'transient_failure', ...failure } };
      else outcome = await this.index(record, path, type, feedType, mode);
      await rm(path, { force: true });
      done(outcome);
      this.world.changed();
    })().catch((error) => console.error(`local Stripe: ${error.stack}`));
    this.running.add(work);
    work.finally(() => this.running.delete(work));
  }

  /** Reads a file and takes its rows. → { success, errors?: { count, samples, path, size } } or { failure } */
  async index(record, path, type, feedType, mode) {
    const account = this.world.record('account', record.owner);
    const indexing = new Indexing(account, feedType, mode);
    const table = new Table(type === 'text/csv' ? ',' : '\t');
    const bad = { count: 0, samples: [], path: this.path() };
    let header, writer, number = 0;
    const rows = (list) => {
      for (const cells of list) {
        if (!header) {
          header = cells?.map((name) => name.replace(/^\ufeff/, '').trim().toLowerCase());
          continue;
        }
        number += 1;
        const row = cells ? Object.fromEntries(header.map((name, at) => [name, (cells[at] ?? '').trim()])) : {};
        const wrong = cells ? indexing.take(row) : { field: '', message: 'The row cannot be read' };
        if (!wrong) continue;
        bad.count += 1;
        if (bad.samples.length < SAMPLES) bad.samples.push({ error_message: wrong.message, field: wrong.field, id: row.id ?? '', row: String(number) });
        writer ??= createWriteStream(bad.path);
        // Of a file with tabs, one with tabs.
        const write = (cells) => writer.write(type === 'text/csv' ? line(cells) : `${cells.map((cell) => `${cell}`.replace(/[\t\n]/g, ' ')).join('\t')}\n`);
        if (bad.count === 1) write(['stripe_error_message', ...header]);
        write([wrong.message, ...header.map((_, at) => cells?.[at] ?? '')]);
      }
    };
    for await (const piece of createReadStream(path)) rows(table.push(piece));
    rows(table.end());
    const needs = { product: 'id', inventory: 'id', pricing: 'id' }[feedType];
    if (!header || (needs && !header.includes(needs))) {
      return { failure: { code: 'invalid_file', failure_message: 'The file has no header that can be read.', type: 'cannot_proceed' } };
    }
    if (writer) {
      await new Promise((resolve) => { writer.end(resolve); });
      bad.size = (await stat(bad.path)).size;
    }
    indexing.commit();
    return { success: indexing.success, ...(bad.count > 0 && { errors: bad }) };
  }

  // -- files and import sets ---------------------------------------------------------------------------------------

  /** Reads a multipart body to disk. → { fields, file?: { path, size, name, type } } or null where it is none, or too large */
  async multipart(request) {
    const boundary = /^multipart\/form-data;.*\bboundary="?([^";]+)"?/i.exec(request.headers['content-type'] ?? '')?.[1];
    if (!boundary) {
      request.resume();
      return null;
    }
    return readMultipart(request, boundary, () => this.path(), MOST_FILE);
  }

  addFile({ path, size, name, type }, purpose, scope) {
    const id = `file_1${random(23)}`;
    const object = {
      id, object: 'file', created: this.world.now(), expires_at: null, filename: name, links: { object: 'list', data: [], has_more: false, url: `/v1/file_links?file=${id}` },
      purpose, size, title: null, type: type === 'text/csv' ? 'csv' : 'tsv', url: `https://files.stripe.com/v1/files/${id}/contents`,
    };
    return structuredClone(this.world.add('file', object, { ...scope, path, media: type }).object);
  }

  createSet({ file, standard_data_format: format }, scope) {
    const source = this.world.find('file', file, scope, 'file');
    if (source.object.purpose !== 'data_management_manual_upload') throw invalid('The file has another purpose than data_management_manual_upload.', { param: 'file' });
    if (source.used) throw invalid('The file has been imported already.', { param: 'file' });
    source.used = true;
    const object = { id: `impset_7${random(23)}`, object: SET, created: this.world.now(), livemode: scope.livemode, result: null, status: 'pending' };
    const record = this.world.add(SET, object, { ...scope });
    this.start(record, source.path, source.media, FORMATS[format], 'upsert', ({ success, errors, failure }) => {
      object.status = failure ? 'failed' : errors ? 'succeeded_with_errors' : 'succeeded';
      if (failure) object.failure_message = failure.failure_message;
      const refused = errors && this.addFile({ path: errors.path, size: errors.size, name: 'errors.csv', type: 'text/csv' }, 'data_management_manual_upload', scope);
      object.result = failure ? null : {
        errors: { file: refused?.id ?? null, row_count: errors?.count ?? 0 }, rows_processed: success + (errors?.count ?? 0), successes: { row_count: success },
      };
    });
    return structuredClone(object);
  }
}

/** Writes a stream to disk. → its size, or null where it broke off or is too large */
function toDisk(request, path, most) {
  return new Promise((resolve) => {
    const writer = createWriteStream(path);
    let size = 0;
    const end = (value) => writer.end(() => resolve(value));
    request.on('data', (chunk) => {
      size += chunk.length;
      if (size <= most && !writer.write(chunk)) {
        request.pause();
        writer.once('drain', () => request.resume());
      }
    });
    request.on('end', () => end(size > most ? null : size));
    request.on('error', () => end(null));
    request.on('aborted', () => end(null));
  });
}

async function readMultipart(request, boundary, path, most) {
  const mark = Buffer.from(`\r\n--${boundary}`);
  let rest = Buffer.from('\r\n'); // so that the first boundary looks like the others
  let part; // { name, file? }
  const fields = {};
  let file, writer, text, size = 0, over = false, ended = false;
  const finish = async () => {
    if (!part) return;
    if (part.filename === undefined) fields[part.name] = text;
    else {
      await new Promise((resolve) => { writer.end(resolve); });
      if (part.name === 'file') file = { path: part.path, size, name: part.filename, type: part.type };
    }
    part = undefined;
  };
  const put = async (bytes) => {
    if (!part || bytes.length === 0) return;
    if (part.filename === undefined) {
      text += bytes.toString('utf8');
      return;
    }
    size += bytes.length;
    if (size > most) over = true;
    else if (!writer.write(bytes)) await new Promise((resolve) => { writer.once('drain', resolve); });
  };
  try {
    for await (const chunk of request) {
      rest = Buffer.concat([rest, chunk]);
      for (;;) {
        if (ended) break;
        const at = rest.indexOf(mark);
        if (at < 0) {
          const safe = rest.length - mark.length;
          if (safe > 0) {
            await put(rest.subarray(0, safe));
            rest = rest.subarray(safe);
          }
          break;
        }
        const end = rest.indexOf('\r\n\r\n', at + mark.length);
        const closes = rest.subarray(at + mark.length, at + mark.length + 2).toString() === '--';
        if (!closes && end < 0) break; // the part's head is not whole yet
        await put(rest.subarray(0, at));
        await finish();
        if (closes) {
          ended = true;
          break;
        }
        const head = rest.subarray(at + mark.length, end).toString('utf8');
        const [, name] = /\bname="([^"]*)"/.exec(head) ?? [];
        const [, filename] = /\bfilename="([^"]*)"/.exec(head) ?? [];
        const [, type = 'application/octet-stream'] = /content-type:\s*([^\s;]+)/i.exec(head) ?? [];
        part = { name, filename, type, path: path() };
        if (filename === undefined) text = '';
        else {
          writer = createWriteStream(part.path);
          size = 0;
        }
        rest = rest.subarray(end + 4);
      }
    }
  } catch {
    return null;
  }
  if (!ended) return null;
  return { fields, file: over ? undefined : file, over };
}

/** v2's lists are pages by a token; these are short enough for one. */
const list = (world, scope, { feed_type: feed, status, limit = 20 }) => {
  const data = world.list(V2, scope).filter(({ object }) => (!feed || object.feed_type === feed) && (!status || object.status === status));
  return { data: data.slice(0, limit).map((record) => world.imports.show(record)), next_page_url: null, previous_page_url: null };
};

const restricted = (scope) => {
  if (scope.permissions && !scope.permissions.includes('product_catalog_import_write')) {
    throw new StripeError(403, {
      code: 'more_permissions_required_for_application', message: 'The key has no permission for this. It needs: Product Catalog Import, write.',
    });
  }
};

export const operations = {
  'POST /v2/commerce/product_catalog/imports': ({ world, params, scope }) => {
    restricted(scope);
    return world.imports.create(params, { owner: scope.owner, livemode: scope.livemode });
  },
  'GET /v2/commerce/product_catalog/imports': ({ world, params, scope }) => list(world, scope, params),
  'GET /v2/commerce/product_catalog/imports/{id}': ({ world, path, scope }) => world.imports.show(world.find(V2, path.id, scope, 'id')),

  'POST /v1/files': ({ world, params, scope, upload }) => {
    if (upload?.over) throw new StripeError(413, { message: 'The file is larger than 200 MB.', param: 'file' });
    if (params.purpose === 'data_management_manual_upload' && !/^text\/(csv|tab-separated-values)$/.test(upload.file.type)) {
      throw invalid('The file has to be CSV or TSV, and its MIME type has to say so.', { param: 'file' });
    }
    return world.imports.addFile(upload.file, params.purpose, { owner: scope.owner, livemode: scope.livemode });
  },
  'GET /v1/files/{file}': ({ world, path, scope }) => structuredClone(world.find('file', path.file, scope, 'file').object),
  'GET /v1/files/{file}/contents': ({ world, path, scope }) => {
    const { path: on } = world.find('file', path.file, scope, 'file');
    if (!existsSync(on)) throw unknownObject('file', path.file, 'file');
    return { raw: createReadStream(on) };
  },

  'POST /v1/data_management/import_sets': ({ world, params, scope }) => world.imports.createSet(params, { owner: scope.owner, livemode: scope.livemode }),
  'GET /v1/data_management/import_sets/{import_set}': ({ world, path, scope }) => structuredClone(world.find(SET, path.import_set, scope, 'import_set').object),
};

/** Address and way of what is served beside the API: null where it is something else. */
export const isFileAddress = (pathname) => /^\/files\/us-west-2\/(upload|download)\/\w+$/.test(pathname);
