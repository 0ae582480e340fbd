// A large catalogue, sent as a shop sends it, and looked at while it is read.
import { randomUUID } from 'node:crypto';
import { registerShop } from './shop.mjs';
import { runtimeMemory } from './memory.mjs';

const WORDS = ['blue', 'red', 'green', 'small', 'large', 'round', 'ceramic', 'steel', 'oak', 'linen', 'travel', 'kitchen', 'garden', 'winter', 'summer', 'gift'];
const word = (n, at) => WORDS[(n * 7 + at * 5 + ((n / 16) | 0)) % WORDS.length];

/** A row of CSV; `length` is that of its description. */
const row = (n, length) => `SKU-${n},${word(n, 1)} ${word(n, 2)} mug no ${n} ${word(n, 3)},"${'Tea, ""coffee"" and cocoa. '.repeat(Math.ceil(length / 27)).slice(0, length).replace(/"+$/, '')}",https://shop.example/p/${n},https://shop.example/i/${n}.jpg,${10 + (n % 90)}.50 USD,in_stock,${n % 50},Acme ${n % 40},${word(n, 4)},shelf ${n % 300}\n`;

/** Sends `rows` rows; `onProgress` sees the running upload. -> {answer, ms, bytes, peak (MB), before (MB), shop} */
export async function sendLarge(w, { rows, description = 120, method = 'PUT', shop, onProgress = () => {} }) {
  const own = shop ?? await registerShop(w);
  const encoder = new TextEncoder();
  let bytes = 0;
  const body = new ReadableStream({
    next: -1,
    pull(controller) {
      let text = '';
      while (text.length < 64 * 1024 && this.next < rows) {
        text += this.next < 0 ? 'id,title,description,link,image_link,price,availability,inventory_quantity,brand,color,shelf\n' : row(this.next, description);
        this.next += 1;
      }
      const part = encoder.encode(text);
      bytes += part.length;
      if (part.length) controller.enqueue(part);
      if (this.next >= rows) controller.close();
    },
  });
  const before = runtimeMemory();
  let peak = 0;
  let running = true;
  const watch = (async () => {
    while (running) {
      peak = Math.max(peak, runtimeMemory());
      const { body: page } = await w.api('GET', '/v1/catalogue/uploads?limit=1', { key: own.key });
      if (page.data?.[0]?.status === 'running') onProgress(page.data[0]);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  })();
  const began = performance.now();
  const response = await w.fetch('/v1/catalogue/products', { method, duplex: 'half', body, headers: { authorization: `Bearer ${own.key}`, 'content-type': 'text/csv', 'idempotency-key': randomUUID() } });
  const answer = { status: response.status, body: await response.json() };
  const ms = Math.round(performance.now() - began);
  running = false;
  await watch;
  return { answer, ms, bytes, peak: Math.round(peak), before: Math.round(before), shop: own };
}
