// Holds an answer against our own examples: same members, same types. Works everywhere, whether or not the official schemas are there.
//
// All examples of a kind are laid over each other. A member that every one of them has is required, one that some have is optional,
// one that none has is unknown. Members of lists are told apart by their `type` where that decides what else they carry.
import { existsSync, readFileSync, readdirSync } from 'node:fs';

const folder = (version) => new URL(`./examples/${version}/`, import.meta.url);
const BY_TYPE = new Set(['messages', 'fulfillment_options', 'selected_fulfillment_options']);

const typeOf = (value) => (value === null ? 'null' : Array.isArray(value) ? 'array' : Number.isInteger(value) ? 'integer' : typeof value);

/** What several values of one place have in common: {types, members: {name: {shape, always}}, free, elements: {type: shape}}. */
function shape(values, name) {
  const made = { types: [...new Set(values.map(typeOf))] };
  const objects = values.filter((value) => typeOf(value) === 'object');
  if (objects.length) {
    made.free = FREE.has(name);
    const names = [...new Set(objects.flatMap(Object.keys))];
    made.members = Object.fromEntries(
      names.map((member) => {
        const having = objects.filter((object) => Object.hasOwn(object, member));
        return [
          member,
          {
            always: having.length === objects.length,
            shape: shape(
              having.map((object) => object[member]),
              member,
            ),
          },
        ];
      }),
    );
  }
  const elements = values.filter(Array.isArray).flat();
  if (elements.length) {
    const groups = grouped(elements, (element) => kind(name, element));
    made.elements = Object.fromEntries([...groups].map(([key, group]) => [key, shape(group, `${name}[]`)]));
  }
  return made;
}

function grouped(list, keyOf) {
  const groups = new Map();
  for (const one of list) groups.set(keyOf(one), [...(groups.get(keyOf(one)) ?? []), one]);
  return groups;
}

const kind = (name, element) => (BY_TYPE.has(name) && typeof element?.type === 'string' ? element.type : '*');
/** What a server may fill as it likes: a handler's configuration is defined by the handler, not by the protocol. */
const FREE = new Set(['config', 'metadata']);

function differences(expected, value, at, name) {
  const type = typeOf(value);
  const same = expected.types.includes(type) || (type === 'integer' && expected.types.includes('number'));
  if (!same) return [`${at} is ${type}, in the examples ${expected.types.join(' or ')}`];
  if (type === 'object' && expected.members && !expected.free) {
    const missing = Object.entries(expected.members)
      .filter(([member, { always }]) => always && !Object.hasOwn(value, member))
      .map(([member]) => `${at} has no "${member}", in the examples it always has`);
    return [
      ...missing,
      ...Object.entries(value).flatMap(([member, inner]) => {
        const known = expected.members[member];
        return known ? differences(known.shape, inner, `${at}.${member}`, member) : [`${at}.${member} is in none of the examples`];
      }),
    ];
  }
  if (type === 'array' && expected.elements) {
    return value.flatMap((element, i) => {
      const known = expected.elements[kind(name, element)];
      return known
        ? differences(known, element, `${at}[${i}]`, `${name}[]`)
        : [`${at}[${i}] is of the type "${element?.type}", of which there is no example`];
    });
  }
  return [];
}

const cache = new Map();

/** The examples of a version: {name, kind, value}; their files are `<kind>.<what>.json`. */
export function examples(version) {
  if (!existsSync(folder(version))) return [];
  return readdirSync(folder(version))
    .filter((name) => name.endsWith('.json'))
    .sort()
    .map((name) => ({ name, kind: name.split('.')[0], value: JSON.parse(readFileSync(new URL(name, folder(version)), 'utf8')) }));
}

/** In what an answer differs from our examples of its kind; undefined where there are none. What is `completed` is a session too. */
export function unlikeExamples(version, kindOf, value) {
  const key = `${version} ${kindOf}`;
  if (!cache.has(key)) {
    const kinds = kindOf === 'completed' ? ['session', 'completed'] : [kindOf];
    const found = examples(version).filter((one) => kinds.includes(one.kind));
    cache.set(
      key,
      found.length
        ? shape(
            found.map((one) => one.value),
            kindOf,
          )
        : undefined,
    );
  }
  const expected = cache.get(key);
  return expected && differences(expected, value, '$', kindOf);
}
