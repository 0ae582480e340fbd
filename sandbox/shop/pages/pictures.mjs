// The products' pictures, drawn here: nothing to download, nothing to license.

const COLOURS = { paper: '#efe7d8', shade: '#e2d6c0', ink: '#22303c', clay: '#b8623b', glaze: '#2f6f6a', brass: '#b98a2f', wool: '#cfc4ae', light: '#f7dd9a' };

const drawings = {
  mug: ({ glaze, ink, light }) => `<path d="M62 64h62v58a18 18 0 0 1-18 18H80a18 18 0 0 1-18-18z" fill="${glaze}"/><path d="M124 78h10a18 18 0 0 1 0 36h-10" fill="none" stroke="${glaze}" stroke-width="9"/><path d="M62 82h62v12H62z" fill="${light}" opacity=".55"/><path d="M80 52c-6-8 6-12 0-20m20 20c-6-8 6-12 0-20" stroke="${ink}" stroke-width="3" fill="none" stroke-linecap="round" opacity=".5"/>`,
  cup: ({ clay, ink, shade }) => `<ellipse cx="100" cy="132" rx="60" ry="10" fill="${shade}"/><path d="M72 78h52l-6 40a12 12 0 0 1-12 10H90a12 12 0 0 1-12-10z" fill="${clay}"/><path d="M122 88h8a11 11 0 0 1 0 22h-10" fill="none" stroke="${clay}" stroke-width="7"/><ellipse cx="98" cy="78" rx="26" ry="6" fill="${ink}"/>`,
  kettle: ({ ink, brass, glaze }) => `<path d="M62 138c-8-44 14-66 40-66s48 22 40 66z" fill="${glaze}"/><path d="M66 96 44 78l-8 8 26 30z" fill="${glaze}"/><path d="M74 76c0-48 56-48 56 0" fill="none" stroke="${brass}" stroke-width="7"/><circle cx="102" cy="68" r="6" fill="${ink}"/><path d="M60 138h84v6H60z" fill="${ink}"/>`,
  lamp: ({ light, brass, ink }) => `<path d="M56 74 38 150h112L92 62z" fill="${light}" opacity=".6"/><path d="M58 42 44 80l50 6 4-26z" fill="${ink}"/><path d="M90 60l48 30-20 56" fill="none" stroke="${brass}" stroke-width="6" stroke-linejoin="round"/><rect x="92" y="144" width="56" height="8" rx="4" fill="${ink}"/><circle cx="138" cy="90" r="6" fill="${brass}"/>`,
  blanket: ({ wool, clay, ink }) => `<rect x="42" y="108" width="116" height="30" rx="13" fill="${wool}"/><rect x="46" y="82" width="108" height="30" rx="13" fill="${clay}"/><rect x="52" y="56" width="96" height="30" rx="13" fill="${wool}"/><path d="M52 98h96M50 124h100M60 71h80" stroke="${ink}" stroke-width="2.5" stroke-dasharray="7 6" opacity=".55"/>`,
  notebook: ({ ink, clay, paper }) => `<g transform="rotate(-7 100 95)"><rect x="58" y="40" width="84" height="112" rx="6" fill="${ink}"/><rect x="70" y="58" width="48" height="26" rx="3" fill="${paper}"/><path d="M76 67h34M76 75h22" stroke="${ink}" stroke-width="2.5"/><path d="M130 40v112" stroke="${clay}" stroke-width="6"/></g>`,
  apron: ({ wool, clay, ink }) => `<path d="M78 52h44l6 34 16 12v50H56V98l16-12z" fill="${wool}"/><path d="M78 54c2-30 42-30 44 0" fill="none" stroke="${ink}" stroke-width="4"/><path d="M56 100 36 92m108 8 20-8" stroke="${ink}" stroke-width="4" stroke-linecap="round"/><path d="M80 104h40v24a8 8 0 0 1-8 8H88a8 8 0 0 1-8-8z" fill="${clay}" opacity=".8"/>`,
  clock: ({ brass, paper, ink, light }) => `<circle cx="100" cy="92" r="52" fill="${brass}"/><circle cx="100" cy="92" r="42" fill="${paper}"/><circle cx="100" cy="92" r="36" fill="${light}" opacity=".4"/><path d="M100 62v30l20 14" fill="none" stroke="${ink}" stroke-width="5" stroke-linecap="round" stroke-linejoin="round"/><circle cx="100" cy="92" r="4" fill="${ink}"/><path d="M92 40h16v-8H92z" fill="${ink}"/>`,
  guide: ({ glaze, light, ink, paper }) => `<path d="M62 38h66l16 16v98H62z" fill="${glaze}"/><path d="M128 38v16h16z" fill="${ink}" opacity=".5"/><rect x="74" y="60" width="52" height="30" rx="3" fill="${light}"/><path d="M82 70h36M82 79h24" stroke="${ink}" stroke-width="2.5"/><path d="M103 100v30m-12-12 12 13 12-13" fill="none" stroke="${paper}" stroke-width="6" stroke-linecap="round" stroke-linejoin="round"/>`,
};

export function picture(id) {
  const draw = Object.hasOwn(drawings, id) ? drawings[id] : undefined;
  return draw && `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 200 180" width="200" height="180"><rect width="200" height="180" fill="${COLOURS.paper}"/><ellipse cx="100" cy="150" rx="70" ry="8" fill="${COLOURS.shade}"/>${draw(COLOURS)}</svg>`;
}

export const icon = `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="8" fill="#1f5c57"/><path d="M8 13h16l-2 11H10zM12 13a4 4 0 0 1 8 0" fill="none" stroke="#fff" stroke-width="2.4" stroke-linejoin="round"/></svg>`;
