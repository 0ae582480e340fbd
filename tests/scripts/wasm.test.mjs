// What is taken out of the binary after it was built: it must run as before, and its functions' names must still be found.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { dropExports, named, takeNames } from '../../scripts/lib/wasm.mjs';

const sized = (...bytes) => [bytes.length, ...bytes];
const text = (word) => sized(...Buffer.from(word));
const section = (id, ...content) => [id, ...sized(...content)];
/** (module (func $add (export "add") (result i32) i32.const 7) (func $other (export "other") (result i32) i32.const 8)), with names */
const WASM = Buffer.from([
  0, 0x61, 0x73, 0x6d, 1, 0, 0, 0,
  ...section(1, 1, 0x60, 0, 1, 0x7f),
  ...section(3, 2, 0, 0),
  ...section(7, 2, ...text('add'), 0, 0, ...text('other'), 0, 1),
  ...section(10, 2, ...sized(0, 0x41, 7, 0x0b), ...sized(0, 0x41, 8, 0x0b)),
  ...section(0, ...text('name'), 1, ...sized(2, 0, ...text('cognitivecart_worker::journey::checkout::create::h0123456789abcdef'), 1, ...text('other'))),
]);
const exportsOf = async (wasm) => (await WebAssembly.instantiate(wasm)).instance.exports;

test('names are taken out and found again', async () => {
  const { wasm, names } = takeNames(WASM);
  assert.equal(WebAssembly.Module.customSections(new WebAssembly.Module(wasm), 'name').length, 0);
  assert.equal((await exportsOf(wasm)).add(), 7);
  assert.deepEqual(names, ['journey::checkout::create', 'other']);
  assert.equal(named('at wasm://wasm/1:wasm-function[0]:0x2\nat wasm-function[9]', names), 'at wasm://wasm/1:journey::checkout::create:0x2\nat wasm-function[9]');
});

test('exports that nobody uses are taken out', async () => {
  assert.deepEqual(Object.keys(await exportsOf(dropExports(WASM, (name) => name === 'other'))), ['add']);
});
