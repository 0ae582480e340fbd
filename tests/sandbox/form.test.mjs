import assert from 'node:assert/strict';
import { test } from 'node:test';
import { decodeForm, mediaType } from '../../sandbox/stripe/form.mjs';

const plain = (value) => JSON.parse(JSON.stringify(value));
const decode = (text, charset) => plain(decodeForm(Buffer.from(text, 'utf8').toString('latin1'), charset));

test('brackets nest, indices stay in order, [] appends', () => {
  assert.deepEqual(decode('a[b][c]=1&a[b][d]=2&x[]=1&x[]=2&li[0][q]=1&li[10][q]=3'), {
    a: { b: { c: '1', d: '2' } }, x: ['1', '2'], li: { 0: { q: '1' }, 10: { q: '3' } },
  });
  assert.deepEqual(decode('x[][a]=1&x[][b]=2&x[][a]=3'), { x: [{ a: '1', b: '2' }, { a: '3' }] });
});

test('names and values are percent-decoded once, plus is a space, the last of two wins', () => {
  assert.deepEqual(decode('a%5Bb%5D=1+2%2B3&c=%257B&d=1&d=2&e'), { a: { b: '1 2+3' }, c: '%7B', d: '2', e: '' });
  assert.deepEqual(decode('url=%7BCHECKOUT_SESSION_ID%7D'), { url: '{CHECKOUT_SESSION_ID}' });
});

test('the charset of the form is honoured, and bytes outside of it are refused', () => {
  assert.deepEqual(decode('n=T%C3%A9&m=é'), { n: 'Té', m: 'é' });
  assert.deepEqual(decode('n=T%E9', 'iso-8859-1'), { n: 'Té' });
  assert.throws(() => decode('n=T%E9'), /not valid utf-8/);
  assert.throws(() => decode('n=1', 'klingon'), /charset/);
  assert.deepEqual(mediaType('application/x-www-form-urlencoded; charset=UTF-8'), { type: 'application/x-www-form-urlencoded', charset: 'utf-8' });
});

test('one name cannot be a value and a hash, and names cannot reach the prototype', () => {
  assert.throws(() => decode('a=1&a[b]=2'), /both as a value and as a hash/);
  assert.throws(() => decode('a[b]=2&a=1'), /both as a value and as a hash/);
  const decoded = decodeForm('__proto__[polluted]=1&constructor[prototype][polluted]=1');
  assert.equal({}.polluted, undefined);
  assert.equal(decoded.__proto__.polluted, '1');
  assert.throws(() => decode(`a${'[b]'.repeat(20)}=1`), /too deeply/);
});
