// Shortens the names of functions in a WASM binary. They are there for whoever reads a stack trace, and rustc writes them with
// each type's whole path, the crate's hash and the function's: a fifth of the binary. What a reader looks for stays:
// `journey::checkout::create::{{closure}}`, `<Value as Display>::fmt`.
const CRATE = 'cognitivecart_worker::';

/** One name as a reader wants it. */
export function shortName(name) {
  return name
    .replace(/::h[0-9a-f]{16}$/, '')
    .replace(/\[[0-9a-f]{10,16}\]/g, '')
    .replaceAll(CRATE, '')
    // A type goes by its own name: alloc::string::String is String.
    .replace(/\b(?:[a-z_][a-z0-9_]*::)+(?=[A-Z]|dyn |\{impl)/g, '')
    .replace(/<impl (\w+) for [^>]*>::/g, '$1::')
    .replace(/^core::ptr::drop_in_place/, 'drop_in_place')
    .replace(/\{closure#\d+\}/g, '{{closure}}')
    .slice(0, 80);
}

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

/** A binary with shorter names; everything else byte for byte as it was. */
export function shortenNames(wasm, rename = shortName) {
  const FUNCTIONS = 1;
  const out = [wasm.subarray(0, 8)];
  for (let at = 8; at < wasm.length;) {
    const id = wasm[at];
    const [length, start] = readNumber(wasm, at + 1);
    const end = start + length;
    let section = wasm.subarray(at, end);
    if (id === 0) {
      const [nameLength, nameAt] = readNumber(wasm, start);
      if (wasm.toString('utf8', nameAt, nameAt + nameLength) === 'name') {
        const kept = [sized(Buffer.from('name'))];
        for (let sub = nameAt + nameLength; sub < end;) {
          const [subLength, subAt] = readNumber(wasm, sub + 1);
          if (wasm[sub] === FUNCTIONS) kept.push(Buffer.from([FUNCTIONS]), sized(renameFunctions(wasm.subarray(subAt, subAt + subLength), rename)));
          sub = subAt + subLength;
        }
        section = Buffer.concat([Buffer.from([0]), sized(Buffer.concat(kept))]);
      }
    }
    out.push(section);
    at = end;
  }
  return Buffer.concat(out);
}
