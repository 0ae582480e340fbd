// One sheet for every page. Dark text on light ground (contrast 4.5:1 and more), a visible focus, and one column at 320 px.

export const style = `
:root { --paper:#fbf9f5; --card:#fff; --ink:#22303c; --soft:#51606d; --line:#ddd5c7; --field:#80796c; --accent:#1f5c57; --accent-deep:#153f3c;
  --tint:#e7f0ee; --warn:#7a4a00; --warn-tint:#fdf1dc; --bad:#8c1d18; --bad-tint:#fbe9e7; --good:#1d5b2c; --good-tint:#e5f2e7;
  --serif: Charter, "Bitstream Charter", "Iowan Old Style", Georgia, "DejaVu Serif", serif; }
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 1rem/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; overflow-wrap: break-word; }
a { color: var(--accent); text-underline-offset: .18em; }
a:hover { color: var(--accent-deep); }
h1, h2, h3 { font-family: var(--serif); line-height: 1.2; margin: 0 0 .5em; font-weight: 600; }
h1 { font-size: clamp(1.6rem, 5vw, 2.2rem); } h2 { font-size: 1.3rem; } h3 { font-size: 1.08rem; }
p { margin: 0 0 .8em; } .soft { color: var(--soft); } .small { font-size: .9rem; } .lead { font-size: 1.08rem; max-width: 44rem; }
code, pre, .code { font-family: ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", Menlo, monospace; font-size: .86em; }
code { overflow-wrap: anywhere; } pre { white-space: pre-wrap; overflow-wrap: anywhere; }
:focus-visible { outline: 3px solid #c26a1b; outline-offset: 2px; border-radius: 4px; }
[tabindex="-1"]:focus-visible { outline: none; }
.skip { position: absolute; left: -999px; } .skip:focus { left: .5rem; top: .5rem; background: #fff; padding: .5rem 1rem; z-index: 2; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }
.wrap { max-width: 68rem; margin: 0 auto; padding: 0 1rem; }
.strip { background: var(--accent-deep); color: #fff; font-size: .85rem; } .strip .wrap { padding-block: .35rem; }
.top { background: var(--card); border-bottom: 1px solid var(--line); }
.top .wrap { display: flex; flex-wrap: wrap; align-items: center; gap: .4rem 1.5rem; padding-block: .8rem; }
.brand { font-family: var(--serif); font-size: 1.3rem; font-weight: 600; text-decoration: none; color: var(--ink); margin-right: auto; }
nav ul { list-style: none; display: flex; flex-wrap: wrap; gap: .1rem .2rem; padding: 0; margin-block: 0; }
nav a { display: inline-block; padding: .4rem .6rem; border-radius: .5rem; text-decoration: none; color: var(--ink); }
nav a:hover { background: var(--tint); } nav a[aria-current] { background: var(--tint); color: var(--accent-deep); font-weight: 600; }
@media (min-width: 40rem) { nav .apart { border-left: 1px solid var(--line); margin-left: .3rem; padding-left: .5rem; } } nav ul { margin-left: -.6rem; }
main.wrap { padding-block: 1.8rem 2.5rem; min-height: 55vh; }
.card { background: var(--card); border: 1px solid var(--line); border-radius: .9rem; padding: 1.1rem; margin-bottom: 1rem; min-width: 0; }
.card > :last-child { margin-bottom: 0; }
.columns { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); align-items: start; }
@media (min-width: 52rem) { .columns { grid-template-columns: minmax(0, 1.9fr) minmax(17rem, 1fr); gap: 1.5rem; } .halves { grid-template-columns: 1fr 1fr; } .stick { position: sticky; top: 1rem; } }
.goods { list-style: none; margin: 0; padding: 0; display: grid; gap: 1rem; grid-template-columns: repeat(auto-fill, minmax(min(14rem, 100%), 1fr)); }
.goods li { display: flex; flex-direction: column; padding: 0; overflow: hidden; margin: 0; }
.goods img { width: 100%; height: 10rem; object-fit: contain; background: #efe7d8; display: block; }
.goods .about { padding: .9rem 1rem 1rem; display: flex; flex-direction: column; gap: .3rem; flex: 1; }
.goods h2 { font-size: 1.1rem; margin: 0; } .goods p { margin: 0; } .goods form { margin-top: auto; padding-top: .6rem; }
.price { font-weight: 650; font-variant-numeric: tabular-nums; }
.row { display: flex; flex-wrap: wrap; gap: .5rem; align-items: end; } .between { display: flex; flex-wrap: wrap; justify-content: space-between; gap: .2rem 1rem; align-items: baseline; } .card > .between { margin-bottom: .6rem; } .card > .between h2 { margin: 0; }
button, .button { font: inherit; font-weight: 600; border: 1px solid var(--accent); background: var(--accent); color: #fff; border-radius: .6rem; padding: .6rem 1rem; min-height: 2.75rem; cursor: pointer; text-decoration: none; display: inline-flex; align-items: center; justify-content: center; text-align: center; }
button:hover, .button:hover { background: var(--accent-deep); color: #fff; }
.second { background: var(--card); color: var(--accent-deep); } .second:hover { background: var(--tint); color: var(--accent-deep); }
.danger { background: var(--bad); border-color: var(--bad); } .danger:hover { background: #6d1511; }
.wide { width: 100%; }
label, legend { font-weight: 600; font-size: .93rem; } .hint { font-size: .87rem; color: var(--soft); font-weight: 400; }
input[type=text], input[type=url], input[type=number], input[type=search], select { font: inherit; width: 100%; min-height: 2.75rem; padding: .45rem .6rem; border: 1px solid var(--field); border-radius: .5rem; background: #fff; color: var(--ink); }
textarea { display: block; font: .8rem/1.5 ui-monospace, monospace; width: 100%; margin: .3rem 0 1rem; padding: .6rem; border: 1px solid var(--field); border-radius: .5rem; background: #fff; color: var(--ink); white-space: pre; overflow-x: auto; }
input[type=number] { max-width: 6rem; } input[type=radio], input[type=checkbox] { width: 1.15rem; height: 1.15rem; accent-color: var(--accent); margin: 0; flex: none; }
.choice { display: flex; gap: .6rem; align-items: center; padding: .35rem 0; font-weight: 400; }
.choice span:last-child:not(:first-of-type) { margin-left: auto; }
fieldset { border: 0; padding: 0; margin: 0 0 1rem; min-width: 0; } .field { margin-bottom: .9rem; } .row > .field { margin-bottom: 0; } .triple { display: grid; gap: .5rem; grid-template-columns: minmax(0, 1fr) 5rem; align-items: end; } .triple .field { margin: 0; } .triple .field:last-child { grid-column: 1 / -1; } @media (min-width: 34rem) { .triple { grid-template-columns: minmax(0, 1fr) 6rem minmax(0, 1fr); } .triple .field:last-child { grid-column: auto; } }
.lines { list-style: none; margin: 0; padding: 0; } .lines li { display: grid; grid-template-columns: 3.6rem minmax(0, 1fr); gap: .3rem .9rem; padding: .9rem 0; border-top: 1px solid var(--line); align-items: start; }
.lines li:first-child { border-top: 0; padding-top: 0; } .lines img { width: 3.6rem; height: 3.6rem; object-fit: cover; border-radius: .5rem; grid-row: span 2; } .lines .row { grid-column: 2; justify-content: space-between; }
.sums { margin: 0; } .sums div { display: flex; justify-content: space-between; gap: 1rem; padding: .25rem 0; } .sums dt, .sums dd { margin: 0; } .sums dd { font-variant-numeric: tabular-nums; white-space: nowrap; }
.sums .all { border-top: 2px solid var(--ink); margin-top: .4rem; padding-top: .55rem; font-weight: 700; font-size: 1.1rem; }
.note { border-radius: .7rem; padding: .8rem 1rem; margin-bottom: 1rem; border: 1px solid; } .note > :last-child { margin-bottom: 0; } .note h2 { font-size: 1.1rem; margin-bottom: .3rem; }
.note.good { background: var(--good-tint); border-color: #a9cfb0; color: var(--good); } .note.warn { background: var(--warn-tint); border-color: #e3c48d; color: var(--warn); } .note.bad { background: var(--bad-tint); border-color: #e2b1ad; color: var(--bad); } .note.plain { background: var(--tint); border-color: #bdd5d2; color: var(--accent-deep); }
.pill { display: inline-block; border-radius: 1rem; padding: .1rem .65rem; font-size: .84rem; font-weight: 600; background: #eceae5; color: var(--ink); white-space: nowrap; } .pill.good { background: var(--good-tint); color: var(--good); } .pill.warn { background: var(--warn-tint); color: var(--warn); } .pill.bad { background: var(--bad-tint); color: var(--bad); }
.facts { display: grid; grid-template-columns: minmax(0, 1fr); margin: 0 0 1rem; } .facts dt { color: var(--soft); font-size: .88rem; } .facts dd { margin: 0 0 .55rem; }
@media (min-width: 34rem) { .facts { grid-template-columns: 10.5rem minmax(0, 1fr); gap: .3rem 1rem; } .facts dd { margin: 0; } }
.scroll { position: relative; overflow-x: auto; border: 1px solid var(--line); border-radius: .7rem; background: var(--card); margin-bottom: 1rem; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; } caption { text-align: left; font-weight: 600; padding: .7rem .8rem .2rem; } th, td { text-align: left; padding: .5rem .8rem; border-top: 1px solid var(--line); vertical-align: top; white-space: nowrap; } thead th { border-top: 0; color: var(--soft); font-size: .85rem; } .tight th, .tight td { white-space: normal; } @media (max-width: 30rem) { .tight { font-size: .85rem; } .tight th, .tight td { padding-inline: .4rem; } } td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; }
.chart { display: block; width: 100%; max-width: 30rem; height: auto; } .chart text { font-family: inherit; fill: var(--ink); font-size: 13px; } .chart .bar-chat { fill: #1f5c57; } .chart .bar-agent { fill: #b5622f; } .chart .bar-site { fill: #5b6b8c; }
.chat { background: var(--tint); border-color: #bdd5d2; } .says { border-radius: 1rem; padding: .55rem .85rem; margin-bottom: .6rem; max-width: 92%; width: fit-content; } .says.they { background: var(--accent-deep); color: #fff; margin-left: auto; border-bottom-right-radius: .25rem; } .says.we { background: #fff; border: 1px solid #cfdfdc; border-bottom-left-radius: .25rem; } .says p:last-child, .says ul:last-child { margin-bottom: 0; } .says ul { padding-left: 1.1rem; margin: .3rem 0 .6rem; }
.tabs { margin-bottom: 1.2rem; } .tabs ul { margin-left: 0; border-bottom: 1px solid var(--line); padding-bottom: .3rem; }
.wants { list-style: none; margin: 0 0 1rem; padding: 0; } .wants li { display: flex; justify-content: space-between; align-items: center; gap: .8rem; padding: .4rem 0; border-top: 1px solid var(--line); } .wants li:first-child { border-top: 0; } .wants label { min-width: 0; } .wants input { flex: none; width: 4.6rem; }
.tour { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); align-items: start; } @media (min-width: 58rem) { .tour { grid-template-columns: minmax(0, 1.5fr) minmax(19rem, 1fr); gap: 1.5rem; } .stands { grid-area: 1 / 2; } .down { display: none; } .does { grid-area: 1 / 1; } }
.stepper { margin: 0; padding-left: 1.4rem; } .stepper > li { border-top: 1px solid var(--line); padding: .35rem 0; } .stepper > li:first-child { border-top: 0; } .stepper > li::marker { color: var(--soft); } .stepper form { padding: .3rem 0 .6rem; }
.talk { background: var(--card); border: 1px solid var(--line); border-radius: .7rem; padding: .55rem .9rem; margin-bottom: .7rem; } .talk h3 { font-size: .95rem; margin: .6rem 0 0; } .talk > summary > span:first-child { margin-right: .3rem; } .talk summary code { font-weight: 400; }
.sold { list-style: none; margin: 0; padding: 0; } .messages { list-style: none; margin: 0 0 .8rem; padding: 0; font-size: .93rem; } .messages li { margin-bottom: .4rem; } .gap { margin-block: .9rem; }
table.plain { margin-bottom: .8rem; } table.plain th { font-weight: 400; } table.plain th, table.plain td { padding: .25rem 0; } table.plain td { padding-left: .8rem; } table.plain caption { padding: 0 0 .2rem; font-size: .93rem; } table.plain .all th, table.plain .all td { font-weight: 700; border-top: 2px solid var(--ink); } table.plain .nil { color: var(--soft); } table.plain code { font-size: .78em; }
.goods h2 a { color: inherit; text-decoration: none; } .goods h2 a:hover { text-decoration: underline; } .goods .about > form .field { margin-bottom: .6rem; } .goods-one { background: #efe7d8; } .goods-one img { display: block; width: 100%; max-width: 22rem; height: auto; margin: 0 auto; }
details > summary { cursor: pointer; font-weight: 600; padding: .3rem 0; } details.plain { border-top: 1px solid var(--line); padding: .4rem 0; }
.sent { background: #f3efe7; border-top: 1px solid var(--line); padding-block: 1.2rem 2rem; } .sent pre, .talk pre { background: #1f2a33; color: #eaf0f3; border-radius: .6rem; padding: .8rem; overflow: auto; max-height: 24rem; margin: .3rem 0 .8rem; white-space: pre-wrap; overflow-wrap: anywhere; } .sent h3 { margin: .6rem 0 0; font-size: .95rem; } .sent summary code { font-weight: 600; }
.steps { padding-left: 1.2rem; } .steps li { margin-bottom: .4rem; }
.history { padding-left: 1.1rem; margin: 0; } hr { border: 0; border-top: 1px solid var(--line); margin: 1.2rem 0; }
@media (prefers-reduced-motion: no-preference) { button, .button, nav a { transition: background-color .12s; } }
`;
