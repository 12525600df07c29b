"""How the page looks, in light and in dark, on a phone and on a desk; and the little script that filters findings."""

STYLE = """
:root{color-scheme:light dark;--paper:#f6f7f9;--card:#fff;--ink:#171a21;--dim:#59616f;--line:#dfe3e9;--track:#e9ecf1;
--accent:#1f6feb;--bar:#3b7dd8;--error:#c4261d;--error-bg:#fdecea;--warning:#8a5a00;--warning-bg:#fdf3dc;
--info:#2a5f87;--info-bg:#e8f1f8;--good:#1a7f45;--good-bg:#e5f5ec;--bad:#c2410c;--ground:#eef1f5;--hot:#b3350c;
--tiny:#d9480f2e;--hard:#d9480f17;--shadow:0 1px 2px #1018280d,0 1px 6px #1018280a}
@media (prefers-color-scheme:dark){:root{--paper:#12141a;--card:#1b1e26;--ink:#e9ecf2;--dim:#a3acba;--line:#2d323d;
--track:#2a2f3a;--accent:#7db2ff;--bar:#5b96e6;--error:#ff8f86;--error-bg:#3c1f1f;--warning:#f0c063;--warning-bg:#362b14;
--info:#8fc3ea;--info-bg:#1b2c3a;--good:#70d690;--good-bg:#173324;--bad:#ff9055;--ground:#232833;--hot:#ffab5e;
--tiny:#ff905533;--hard:#ff90551a;--shadow:none}}
*{box-sizing:border-box}
html{scroll-behavior:smooth;-webkit-text-size-adjust:100%}
@media (prefers-reduced-motion:reduce){html{scroll-behavior:auto}}
body{margin:0;overflow-wrap:anywhere;background:var(--paper);color:var(--ink);
font:16px/1.5 system-ui,-apple-system,"Segoe UI",Roboto,
"Helvetica Neue","Noto Sans","DejaVu Sans",sans-serif;font-variant-numeric:tabular-nums}
.wrap{max-width:1120px;margin:0 auto;padding:0 20px 56px}
header{padding:36px 0 8px}
h1{font-size:1.75rem;line-height:1.2;margin:0;letter-spacing:-.015em;overflow-wrap:anywhere}
h2{font-size:1.25rem;margin:44px 0 14px;letter-spacing:-.01em}
h3{font-size:1rem;margin:0 0 8px}
p{margin:0 0 10px;max-width:74ch}
a{color:var(--accent)}
a:focus-visible,button:focus-visible,summary:focus-visible,.scroll:focus-visible{outline:3px solid var(--accent);
outline-offset:2px}
.dim,.note{color:var(--dim)}
.note{font-size:.875rem}
.over{color:var(--dim);font-size:.875rem;margin:0 0 4px}
.verdict{font-size:1.125rem;margin:10px 0 0}
.verdict strong{font-weight:650}
nav{position:sticky;top:0;z-index:2;background:var(--paper);border-bottom:1px solid var(--line);margin:18px -20px 0;
padding:0 20px;overflow-x:auto;white-space:nowrap}
nav a{display:inline-block;padding:10px 14px 10px 0;color:var(--dim);text-decoration:none;font-size:.9375rem}
nav a:hover{color:var(--ink)}
section{scroll-margin-top:44px}
.card{background:var(--card);border:1px solid var(--line);border-radius:10px;padding:16px 18px;box-shadow:var(--shadow)}
.tiles{display:flex;flex-wrap:wrap;gap:12px;margin:20px 0 0;padding:0}
.tiles div{flex:1 1 128px;background:var(--card);border:1px solid var(--line);border-radius:10px;padding:12px 14px;
box-shadow:var(--shadow)}
.tiles dt{color:var(--dim);font-size:.8125rem}
.tiles dd{margin:0;font-size:1.5rem;font-weight:600;letter-spacing:-.02em;line-height:1.25}
.pill{display:inline-block;border-radius:99px;padding:1px 10px;font-size:.8125rem;font-weight:600;white-space:nowrap}
.error{color:var(--error);background:var(--error-bg)}
.warning{color:var(--warning);background:var(--warning-bg)}
.info{color:var(--info);background:var(--info-bg)}
.good{color:var(--good);background:var(--good-bg)}
.todo{list-style:none;margin:0;padding:0}
.todo li{display:grid;grid-template-columns:88px minmax(0,1fr) auto;gap:2px 12px;padding:11px 0;
border-top:1px solid var(--line);align-items:baseline}
.todo li:first-child{border-top:0;padding-top:0}
.todo li:last-child{padding-bottom:0}
.todo a{font-weight:600;color:var(--ink);text-decoration-color:var(--line);text-underline-offset:3px}
.todo .cure,.todo .what{grid-column:2/-1}.todo .pill{justify-self:start}.todo .what{font-size:.9375rem}
.times{color:var(--dim);font-size:.875rem;white-space:nowrap}
.cure{font-size:.9375rem;color:var(--dim);overflow-wrap:anywhere}
.cure b{color:var(--good);font-weight:600}
code{font:.875em/1.4 ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;background:var(--track);
border-radius:4px;padding:1px 5px;overflow-wrap:anywhere}
.filter{display:flex;flex-wrap:wrap;gap:8px;margin:0 0 14px}
.filter button{font:inherit;font-size:.875rem;color:var(--ink);background:var(--card);border:1px solid var(--line);
border-radius:99px;padding:6px 14px;min-height:36px;cursor:pointer}
.filter button[aria-pressed=true]{background:var(--ink);color:var(--paper);border-color:var(--ink)}
.kind{margin:0 0 14px}
.kind>h3{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline}
.places{list-style:none;margin:10px 0 0;padding:0;font-size:.875rem}
.places li{padding:4px 0;overflow-wrap:anywhere;display:grid;grid-template-columns:minmax(0,1fr) minmax(0,2fr);
gap:0 16px}.places li>.what:only-child{grid-column:1/-1}
.beside{display:grid;grid-template-columns:auto minmax(0,1fr);gap:4px 20px}
.beside .shots{grid-template-columns:repeat(auto-fit,150px);grid-auto-flow:column}
.places .at{font-family:ui-monospace,SFMono-Regular,Menlo,Consolas,"DejaVu Sans Mono",monospace;font-size:.8125rem}
.places .what{color:var(--dim)}
summary{cursor:pointer;color:var(--accent);font-size:.875rem;padding:6px 0}
.shots{display:grid;grid-template-columns:repeat(auto-fill,minmax(150px,1fr));gap:12px;margin:14px 0 0}
figure{margin:0;min-width:0}
.shots img{display:block;width:100%;height:150px;object-fit:contain;border-radius:6px;background:#15171c}
figcaption{color:var(--dim);font-size:.75rem;line-height:1.35;margin-top:4px;overflow-wrap:anywhere}
.scroll{overflow-x:auto;margin:0 -18px;padding:0 18px}
table{border-collapse:collapse;width:100%;font-size:.9375rem}
th,td{text-align:right;padding:7px 0 7px 16px;border-top:1px solid var(--line);font-weight:400;white-space:nowrap}
thead th,thead td{color:var(--dim);font-size:.8125rem;border-top:0;vertical-align:bottom}
th[scope=row],thead th:first-child{text-align:left;padding-left:0}
th[scope=row]{max-width:240px;min-width:96px;white-space:normal;overflow-wrap:anywhere;font-weight:500}
td.wide{width:28%;min-width:110px}
.legend span{min-width:0}
thead th{max-width:130px;overflow:hidden;text-overflow:ellipsis}
table.matrix td,table.matrix thead th+th{text-align:center;padding-left:8px;padding-right:8px}
.chip{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:8px;box-shadow:inset 0 0 0 1px #0004}
.zero{color:var(--dim)}
.alarm{color:var(--bad);font-weight:600}
svg{display:block;width:100%;height:auto}
svg.meter{height:9px}
.track{fill:var(--track)}.bar{fill:var(--bar)}.bad{fill:var(--bad)}
.p0{fill:var(--bar)}.p1{fill:#c58a12}.p2{fill:#2f9e6b}.s0{fill:var(--bad)}.s1{fill:#e0a03a}.s2{fill:#8fb5e8}.s3{fill:var(--bar)}
i.p0,i.p1,i.p2,i.s0,i.s1,i.s2,i.s3{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
i.p0,i.s3{background:var(--bar)}i.p1{background:#c58a12}i.p2{background:#2f9e6b}
i.s0{background:var(--bad)}i.s1{background:#e0a03a}i.s2{background:#8fb5e8}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.8125rem;color:var(--dim);margin:0 0 10px}
svg text{font-size:12px;fill:var(--dim)}svg text.n{fill:var(--ink)}
.axis{stroke:var(--dim)}.grid{stroke:var(--line);stroke-width:1}
.tiny{fill:var(--tiny)}.hard{fill:var(--hard)}
.dots{fill:none;stroke:var(--c);stroke-width:5;stroke-linecap:round;stroke-opacity:.6}
.pair>.card+.card,.looks>.card+.card{margin-top:0}.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,400px),1fr));gap:14px}
.pair>.card{min-width:0}
.card+.note,.card+.card,.looks+div{margin-top:14px}.looks{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,330px),1fr));gap:14px;margin-top:14px}
.look{display:grid;grid-template-columns:116px minmax(0,1fr);gap:10px 14px;align-content:start}
.look h3{grid-column:1/-1;margin:0;overflow-wrap:anywhere}
.look .map svg{border-radius:6px;overflow:hidden}
.look .crops{display:grid;grid-template-columns:repeat(3,minmax(0,1fr));gap:6px}
.look .crops img{width:100%;height:auto;aspect-ratio:1;object-fit:contain;background:#15171c;border-radius:5px;
display:block}
.look .note{grid-column:1/-1;margin:0}
.curve{fill:none;stroke:var(--c);stroke-width:2.5;stroke-linejoin:round}.gridline{stroke:var(--line);fill:none}
.gallery{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(100%,480px),1fr));gap:14px}
.gallery h3{display:flex;flex-wrap:wrap;gap:2px 10px;align-items:baseline}
.gallery>.card+.card{margin-top:0}.twice{display:grid;grid-template-columns:1fr 1fr;gap:8px}
.twice img{display:block;width:100%;height:auto;border-radius:6px}
.mistakes{list-style:none;margin:10px 0 0;padding:0;font-size:.875rem}
.mistakes li{padding:2px 0;display:grid;grid-template-columns:108px minmax(0,1fr)}.mistakes b{font-weight:600}
td.said{text-align:left;color:var(--dim);white-space:normal;min-width:190px}
i.right,i.wrong{display:inline-block;width:10px;height:10px;border-radius:3px;margin-right:6px}
.h0{fill:var(--ground)}
.h1,.h2,.h3,.h4,.h5,.h6,.h7,.h8{fill:var(--hot)}
.h1{fill-opacity:.1}.h2{fill-opacity:.2}.h3{fill-opacity:.32}.h4{fill-opacity:.44}.h5{fill-opacity:.56}
.h6{fill-opacity:.7}.h7{fill-opacity:.84}.h8{fill-opacity:1}
td.k{color:var(--ink);background:color-mix(in srgb,var(--hot) calc(var(--k)*42%),transparent)}
td.r{color:var(--ink);background:color-mix(in srgb,var(--good) calc(var(--k)*42%),transparent)}
footer{color:var(--dim);font-size:.8125rem;margin-top:44px;border-top:1px solid var(--line);padding-top:14px}
@media (max-width:640px){
.wrap{padding:0 14px 40px}nav{margin:14px -14px 0;padding:0 14px}header{padding-top:22px}h1{font-size:1.5rem}
.tiles{gap:8px}.tiles div{flex-basis:96px;padding:9px 10px}.tiles dd{font-size:1.25rem}
.card{padding:14px}.scroll{margin:0 -14px;padding:0 14px}
.todo li{grid-template-columns:minmax(0,1fr) auto}.todo .pill{justify-self:start;grid-column:1/-1}
.todo .cure,.todo .what{grid-column:1/-1}
.places li,.beside{grid-template-columns:1fr}.beside .shots{grid-template-columns:repeat(2,minmax(0,1fr));
grid-auto-flow:row}.shots{grid-template-columns:repeat(2,minmax(0,1fr))}
.shots img{height:120px}svg text{font-size:15px}th,td{padding-left:12px}th[scope=row]{max-width:150px}
}
@media print{nav,.filter{display:none}.card,.tiles div{break-inside:avoid;box-shadow:none}}
"""

SCRIPT = """
const bar=document.querySelector('.filter');
if(bar){bar.hidden=false;bar.addEventListener('click',event=>{
const chosen=event.target.closest('button');if(!chosen)return;
for(const button of bar.children)button.setAttribute('aria-pressed',button===chosen);
for(const kind of document.querySelectorAll('.kind'))
kind.hidden=chosen.dataset.show!=='all'&&kind.dataset.severity!==chosen.dataset.show;});}
"""
