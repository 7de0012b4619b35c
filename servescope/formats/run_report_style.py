"""The style sheet of a run's report: dark and light by the reader's choice, and for paper."""

from __future__ import annotations

from typing import Final

STYLE: Final = """
:root { color-scheme: light dark; --text: #1a1b1e; --dimmed: #5c5f66; --paper: #fff;
  --card: #f8f9fa; --line: #dee2e6; --bad: #c92a2a; --warn: #a85b00; --good: #2b8a3e;
  --note: #1864ab; --unknown: #5c5f66; }
@media (prefers-color-scheme: dark) { :root { --text: #e9ecef; --dimmed: #a6a7ab;
  --paper: #1a1b1e; --card: #25262b; --line: #3b3d43; --bad: #ff8787; --warn: #ffc078;
  --good: #8ce99a; --note: #74c0fc; --unknown: #a6a7ab; } }
@media print { :root { color-scheme: light; --text: #000; --dimmed: #444; --paper: #fff;
  --card: #fff; --line: #bbb; --bad: #c92a2a; --warn: #a85b00; --good: #2b8a3e;
  --note: #1864ab; --unknown: #444; } }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1100px; padding: 20px 16px 40px; background: var(--paper);
  color: var(--text); font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; margin: 0 0 4px; }
h2 { font-size: 1.1rem; margin: 28px 0 8px; }
h3 { font-size: .95rem; margin: 0 0 6px; }
p { margin: 4px 0; }
.dimmed { color: var(--dimmed); font-size: .875rem; }
.findings { list-style: none; margin: 12px 0; padding: 0; }
.findings li { border-left: 4px solid var(--unknown); background: var(--card);
  padding: 6px 12px; margin: 6px 0; }
.findings b { color: var(--unknown); margin-right: 6px; }
.bad { border-color: var(--bad) !important; } .bad b { color: var(--bad); }
.warn { border-color: var(--warn) !important; } .warn b { color: var(--warn); }
.good { border-color: var(--good) !important; } .good b { color: var(--good); }
.note { border-color: var(--note) !important; } .note b { color: var(--note); }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(130px, 1fr));
  gap: 8px; margin: 8px 0; }
.figures div { background: var(--card); border: 1px solid var(--line); border-radius: 6px;
  padding: 6px 10px; }
.figures span { display: block; color: var(--dimmed); font-size: .8rem; }
.figures b { font-size: 1.05rem; font-variant-numeric: tabular-nums; }
.plots { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 440px), 1fr));
  gap: 12px; }
.plots section, .wide { border: 1px solid var(--line); border-radius: 6px; padding: 10px; }
.plot { width: 100%; max-width: 720px; height: auto; display: block; }
.plot polyline { fill: none; stroke-width: 1.6; stroke-linejoin: round; }
.plot .grid { stroke: var(--line); fill: none; }
.plot .tick { fill: var(--dimmed); font: 12px system-ui, sans-serif; }
.legend { list-style: none; display: flex; flex-wrap: wrap; gap: 2px 14px; margin: 4px 0 0;
  padding: 0; font-size: .8rem; }
.legend svg { vertical-align: middle; margin-right: 5px; }
.legend path { stroke-width: 3; fill: none; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: .875rem;
  font-variant-numeric: tabular-nums; }
th, td { border-bottom: 1px solid var(--line); padding: 4px 10px 4px 0; text-align: right; }
td { white-space: nowrap; }
td:first-child, .words td { white-space: normal; }
th:first-child, td:first-child, .words td, .words th { text-align: left; vertical-align: top; }
.words td { overflow-wrap: anywhere; }
.words th { width: 30%; font-weight: 500; color: var(--dimmed); }
footer { margin-top: 32px; border-top: 1px solid var(--line); padding-top: 8px; }
@media print { body { max-width: none; padding: 0; font-size: 10pt; }
  @page { margin: 15mm; }
  h2 { break-after: avoid; }
  .plots { grid-template-columns: 1fr 1fr; }
  .plots section, .findings li, .figures div, tr { break-inside: avoid; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
"""
