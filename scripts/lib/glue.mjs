// Mends what wasm-bindgen's JavaScript gets wrong.

const KEPT = /\((\w+)\?\?=WebAssembly\.promising\((\w+)\.(\w+)\)\)/g;

/**
 * The glue keeps `WebAssembly.promising(exports.fetch)` for good; after a trap it works on a new instance, and would go on entering the one
 * that is broken: no request would ever be answered again (tests/worker/traps.test.mjs). Kept for as long as its instance.
 */
export function promisingByInstance(js) {
  if (!KEPT.test(js)) throw new Error('wasm-bindgen writes its promising exports in another way than scripts/lib/glue.mjs knows');
  return js.replace(KEPT, '($1?.of===$2?$1:$1=Object.assign(WebAssembly.promising($2.$3),{of:$2}))');
}
