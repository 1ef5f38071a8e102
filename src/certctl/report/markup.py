"""HTML as text, and its style: whatever is not `Html` already is escaped, so no name can become markup."""

from __future__ import annotations

from html import escape
from typing import NewType

from certctl.system.text import lines

Html = NewType("Html", str)
"""Text that is markup."""

_VOID = ("meta", "br", "rect", "line", "circle", "path")


def text(value: object) -> Html:
    """Escape plain text, of one line or several."""
    return Html(_plain(value))


def tag(name: str, /, *children: Html, **attributes: object) -> Html:
    """An element; attributes that are None are left out, `class_` is class, `_` in names is `-`."""
    told = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{_plain(value)}"'
        for key, value in attributes.items()
        if value is not None
    )
    if name in _VOID and not children:
        return Html(f"<{name}{told}/>" if name not in ("meta", "br") else f"<{name}{told}>")
    return Html(f"<{name}{told}>{''.join(children)}</{name}>")


def _plain(value: object) -> str:
    return escape(lines(str(value)), quote=True)


def joined(*parts: Html) -> Html:
    return Html("".join(parts))


STYLE = """
:root{color-scheme:light dark;--bg:#fbfbfa;--card:#fff;--ink:#1d2125;--soft:#5c6670;--line:#dfe3e6;
--served:#2f7d5b;--valid:#b9dccb;--standby:#c9d3ea;--hold:#e8b64c;--old:#aab3ba;--bad:#c0392b;--warn:#b7791f;
--mark:#16324f;--now:#c0392b}
@media (prefers-color-scheme:dark){:root{--bg:#14171a;--card:#1c2125;--ink:#e6e9eb;
--soft:#9aa5ae;--line:#30373d;--served:#4db388;--valid:#2c5546;--standby:#3a4a6d;--hold:#c99a35;--old:#59636b;--bad:#ff7b6b;--warn:#e0a83e;
--mark:#d5e6f7;--now:#ff7b6b}}
*{box-sizing:border-box}
body{margin:0;background:var(--bg);color:var(--ink);
font:15px/1.45 system-ui,"Segoe UI","DejaVu Sans",sans-serif}
main{max-width:1080px;margin:0 auto;padding:16px}
h1{font-size:1.45em;margin:.2em 0}h2{font-size:1.15em;margin:1.8em 0 .6em}h3{font-size:1.05em;margin:0}
p{margin:.3em 0}.soft,small{color:var(--soft)}small{font-size:.85em}
.card{background:var(--card);border:1px solid var(--line);border-radius:8px;padding:12px 14px;margin:12px 0;
break-inside:avoid;overflow-wrap:anywhere}
.head{display:flex;flex-wrap:wrap;gap:4px 10px;align-items:baseline}
.badge{border-radius:99px;padding:0 .65em;font-size:.85em;border:1px solid currentColor;white-space:nowrap}
.ok{color:var(--served)}.new,.due,.held,.pending{color:var(--warn)}.failing,.expired{color:var(--bad)}
table{border-collapse:collapse;width:100%}th,td{text-align:left;vertical-align:top;padding:4px 12px 4px 0;
border-bottom:1px solid var(--line)}th{color:var(--soft);font-weight:600;font-size:.85em}
td.time{white-space:nowrap}a{color:inherit}.num{font-variant-numeric:tabular-nums}
.error{color:var(--bad);margin:.4em 0}
.timeline{margin:10px 0 4px}.lane{display:grid;grid-template-columns:104px 1fr;align-items:center}
.lane .label{font-variant-numeric:tabular-nums;white-space:nowrap;line-height:22px}.word{display:none}
svg{display:block;overflow:visible}svg text{fill:var(--soft);font-size:11px;text-anchor:middle}
line.tick{stroke:var(--line)}line.now{stroke:var(--now);stroke-width:1.5;stroke-dasharray:3 2}
.served{fill:var(--served)}.valid{fill:var(--valid)}.standby{fill:var(--standby)}.hold{fill:var(--hold)}
.lane.retired .served,.lane.previous .served{fill:var(--old)}
.mark{fill:var(--mark);stroke:var(--card);stroke-width:1}.mark.failed{fill:var(--bad)}
.mark.renewal,.mark.rotation{fill:var(--card);stroke:var(--mark);stroke-width:2}
.mark.rotation{stroke:var(--warn)}
.legend{display:flex;flex-wrap:wrap;gap:4px 16px;font-size:.85em;color:var(--soft)}
.legend span{display:flex;align-items:center;gap:6px}.legend svg{width:22px;flex:none}
details{margin-top:6px}summary{cursor:pointer;color:var(--soft);font-size:.9em}
ol.log{list-style:none;margin:4px 0;padding:0;font-size:.9em}ol.log li{padding:2px 0}
.more{color:var(--soft);font-size:.85em}
@media (max-width:640px){main{padding:10px}.lane{grid-template-columns:88px 1fr}.word{display:inline}
.lane .label{font-size:.85em}.odd{display:none}
table.wide thead{display:none}table.wide tr{display:block;border-bottom:1px solid var(--line);padding:5px 0}
table.wide td{display:inline;border:0;padding:0 .6em 0 0}table.wide td.time{white-space:normal}}
@media print{:root{--bg:#fff;--card:#fff;--ink:#000;--soft:#444}body{font-size:11px}
main{max-width:none;padding:0}
.card{border-color:#999}*{-webkit-print-color-adjust:exact;print-color-adjust:exact}a{text-decoration:none}}
"""
"""How the page looks: on a phone, a desk and paper, light and dark."""
