#!/usr/bin/env python3
"""plot.py FILE.jsonl... > plot.svg: bars of the medians, one row of panels a topology, one panel a measure, whiskers from least to most."""
import collections, html, json, statistics as st, sys

PANELS = [  # metric, title, scale, better
    ("tcp_ab_mbps", "TCP, Mbit/s", 1, "more"),
    ("udp64_pps", "UDP 64 B, kpps", 1e-3, "more"),
    ("cpu_s_per_gb", "CPU, s/GB", 1, "less"),
    ("ping_idle_p50_us", "ping idle p50, µs", 1, "less"),
    ("ping_load_p50_us", "ping loaded p50, µs", 1, "less"),
    ("rss_load_kb", "memory loaded, MiB", 1 / 1024, "less"),
]
OURS, OTHERS, RAW = "#d9480f", "#8d99ae", "#ced4da"
LIMIT, WIDTH, BAR, TOP, GAP, LABEL = 0.10, 250, 16, 46, 26, 92


def read(files):
    raw = collections.defaultdict(lambda: collections.defaultdict(lambda: collections.defaultdict(list)))
    for name in files:
        for line in open(name):
            r = json.loads(line)
            if r["metric"] in ("env", "version", "skip", "fail"):
                continue
            raw[(r["topo"], r["variant"])][r["driver"]][r["metric"]].append((r.get("contam", 0), r["value"]))
    return raw


def clean(samples):
    """As report.py: the clean samples where at least two are clean, else the cleaner half."""
    kept = [v for c, v in samples if c <= LIMIT]
    return kept if len(kept) >= min(2, len(samples)) else [v for _, v in sorted(samples)[:max(2, len(samples) // 2)]]


def panel(x, y, title, better, rows):
    out = [f'<text x="{x}" y="{y}" class="t">{html.escape(title)}</text><text x="{x + WIDTH - 8}" y="{y}" class="n" text-anchor="end">{better} is better</text>']
    most = max((max(v) for _, v in rows), default=0) or 1
    for i, (driver, values) in enumerate(rows):
        top = y + 8 + i * (BAR + 4)
        median, room = st.median(values), WIDTH - LABEL - 58
        color = OURS if driver.startswith("diode") else RAW if driver == "raw" else OTHERS
        out.append(f'<text x="{x + LABEL - 6}" y="{top + 12}" class="n" text-anchor="end">{html.escape(driver)}</text>'
                   f'<rect x="{x + LABEL}" y="{top}" width="{max(1, median / most * room):.1f}" height="{BAR}" fill="{color}"/>')
        if len(values) > 2:
            a, b = (x + LABEL + v / most * room for v in (min(values), max(values)))
            out.append(f'<path d="M{a:.1f} {top + 8}H{b:.1f}M{a:.1f} {top + 4}v8M{b:.1f} {top + 4}v8" class="w"/>')
        text = f"{median:.0f}" if median >= 100 else f"{median:.1f}" if median >= 10 else f"{median:.2f}"
        out.append(f'<text x="{x + LABEL + max(median, max(values) if len(values) > 2 else 0) / most * room + 4:.1f}" y="{top + 12}" class="n">{text}</text>')
    return out


def main():
    raw = read(sys.argv[1:])
    out, y, columns = [], 10, 3
    for (topo, variant), drivers in raw.items():
        panels = []
        for metric, title, scale, better in PANELS:
            rows = [(d, [v * scale for v in clean(m[metric])]) for d, m in drivers.items() if m.get(metric) and not (d == "raw" and metric == "rss_load_kb")]
            if rows:
                panels.append((title, better, rows))
        if not panels:
            continue
        out.append(f'<text x="10" y="{y + 18}" class="h">{html.escape(topo + (" " + variant if variant else ""))}</text>')
        y += TOP
        for at in range(0, len(panels), columns):
            group = panels[at:at + columns]
            for i, p in enumerate(group):
                out += panel(10 + i * WIDTH, y, *p)
            y += 8 + max(len(p[2]) for p in group) * (BAR + 4) + GAP
    print(f'<svg xmlns="http://www.w3.org/2000/svg" width="{20 + columns * WIDTH}" height="{y + 10}" viewBox="0 0 {20 + columns * WIDTH} {y + 10}">'
          '<style>text{font-family:sans-serif;fill:#212529}.h{font-size:17px;font-weight:bold}.t{font-size:13px;font-weight:bold}'
          '.n{font-size:11px}.w{stroke:#212529;stroke-width:1;fill:none}</style><rect width="100%" height="100%" fill="#fff"/>')
    print("\n".join(out) + "\n</svg>")


main()
