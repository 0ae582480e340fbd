// Makes a WASM binary smaller where neither rustc nor wasm-opt does.
//
// Names of functions are there for whoever reads a stack trace, and rustc writes them with each type's whole path, the crate's hash
// and the function's: a fifth of the binary. What a reader looks for stays: `journey::checkout::create::{{closure}}`.
const CRATE = 'cognitivecart_worker::';

/** One name as a reader wants it. */
export function shortName(name) {
  return name
    .replace(/(::h[0-9a-f]{16}|_?[0-9a-f]{16})( multivalue shim)?$/, '')
    .replace(/\[[0-9a-f]{10,16}\]/g, '')
    .replaceAll(CRATE, '')
    .replace(/\{(shim|closure|impl)[^}]*\}/g, '{}')
    .replaceAll('{{closure}}', '{}')
    // A type goes by its own name: alloc::string::String is String. So does a function of another crate: core::str::count is str::count.
    .replace(/\b(?:[a-z_][a-z0-9_]*::)+(?=[A-Z]|dyn |\{)/g, (path) => (OURS.test(path) ? path : ''))
    .replace(/<impl (\w+) for [^>]*>::/g, '$1::')
    .replace(/^core::ptr::drop_in_place<(.*)>$/, 'drop $1')
    .replace(/^(?:[a-z_][a-z0-9_]*::)+?(?=[a-z_0-9]+::[a-z_0-9]+$)/, (path) => (OURS.test(path) ? path : ''))
    .slice(0, 64);
}

const OURS = /^(journey|store|edge|stripe|page|ledger|cart|config|fields|money|sign|seal|route|record|weburl|error|id)::/;

function readNumber(bytes, at) {
  let value = 0;
  for (let shift = 0; ; shift += 7) {
    const byte = bytes[at++];
    value += (byte & 0x7f) * 2 ** shift;
    if (byte < 0x80) return [value, at];
  }
}

function number(value) {
  const bytes = [];
  do {
    const rest = Math.floor(value / 128);
    bytes.push((value % 128) | (rest ? 0x80 : 0));
    value = rest;
  } while (value);
  return Buffer.from(bytes);
}

const sized = (content) => Buffer.concat([number(content.length), content]);

/** The subsection of function names (WebAssembly, appendix "Custom Sections", name section), each name through `rename`. */
function renameFunctions(section, rename) {
  let [count, at] = readNumber(section, 0);
  const parts = [number(count)];
  for (; count > 0; count--) {
    let index, length;
    [index, at] = readNumber(section, at);
    [length, at] = readNumber(section, at);
    parts.push(number(index), sized(Buffer.from(rename(section.toString('utf8', at, at + length)))));
    at += length;
  }
  return Buffer.concat(parts);
}

const CUSTOM = 0, EXPORTS = 7;

/** Rebuilds a binary section by section; `change` answers a section's new content, or the same. */
function mapSections(wasm, change) {
  const out = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at];
    const [length, start] = readNumber(wasm, at + 1);
    at = start + length;
    out.push(Buffer.from([id]), sized(change(id, wasm.subarray(start, at))));
  }
  return Buffer.concat(out);
}

/** A binary with shorter names; everything else byte for byte as it was. */
export function shortenNames(wasm, rename = shortName) {
  const FUNCTIONS = 1;
  return mapSections(wasm, (id, content) => {
    if (id !== CUSTOM) return content;
    const [nameLength, nameAt] = readNumber(content, 0);
    let at = nameAt + nameLength;
    if (content.toString('utf8', nameAt, at) !== 'name') return content;
    const kept = [sized(Buffer.from('name'))];
    while (at < content.length) {
      const [length, start] = readNumber(content, at + 1);
      if (content[at] === FUNCTIONS) kept.push(Buffer.from([FUNCTIONS]), sized(renameFunctions(content.subarray(start, start + length), rename)));
      at = start + length;
    }
    return Buffer.concat(kept);
  });
}

/** A binary without the exports for which `unwanted` answers true; what only they used is then for wasm-opt to remove. */
export function dropExports(wasm, unwanted) {
  return mapSections(wasm, (id, content) => {
    if (id !== EXPORTS) return content;
    let [count, at] = readNumber(content, 0);
    const kept = [];
    for (; count > 0; count--) {
      const begin = at;
      const [nameLength, nameAt] = readNumber(content, at);
      const name = content.toString('utf8', nameAt, nameAt + nameLength);
      [, at] = readNumber(content, nameAt + nameLength + 1);
      if (!unwanted(name)) kept.push(content.subarray(begin, at));
    }
    return Buffer.concat([number(kept.length), ...kept]);
  });
}

/**
 * Classes of the `worker` crate that JavaScript could make, and that nothing of ours uses: wasm-bindgen exports them all the same,
 * with all that they pull in. The glue names them only inside their own methods.
 */
export const isUnusedClass = (name) => /^(__wbg_(get|set)_|__wbg_\w+_free$|intounderlying)/.test(name);
