"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const charts = Object.keys(specs).map((id) => document.getElementById(id));
  // A finger that scrolls the page must not zoom the chart under it.
  const touch = matchMedia("(pointer: coarse)").matches;
  // On a phone a chart takes a third of the screen, so that numbers stand beside it.
  const tallest = matchMedia("(max-width: 640px)").matches ? 280 : Infinity;
  const config = { responsive: true, displayModeBar: false, doubleClick: "reset" };
  for (const chart of charts) {
    // A copy, because Plotly changes what it is given and `fit` needs the first range.
    const { data, layout } = structuredClone(specs[chart.id]);
    const height = Math.min(layout.height, tallest);
    Plotly.newPlot(chart, data, { ...layout, height, dragmode: touch ? false : "zoom" }, config);
  }

  // Plotly scales y to all points; the chosen eras shall fill the height.
  const fit = (chart, [from, to]) => {
    const first = specs[chart.id].layout.xaxis.range;
    if (from <= first[0] && to >= first[1]) return { "yaxis.autorange": true };
    const seen = chart.data.flatMap(({ x, y, type, visible }) => {
      if (visible === "legendonly") return [];
      const inside = y.filter((_, i) => x[i] >= from && x[i] <= to);
      return type === "bar" ? [0, ...inside] : inside;
    });
    if (!seen.length) return {};
    const low = Math.min(...seen), high = Math.max(...seen);
    const margin = 0.06 * (high - low || Math.abs(high) || 1);
    return { "yaxis.range": [low - margin, high + margin] };
  };

  // Charts over eras share them, but for those that say they stand alone: zooming one zooms the others.
  const shared = charts.filter((chart) => specs[chart.id].layout.meta !== "alone");
  let following = false;
  const follow = (source) => (change) => {
    if (following || !Object.keys(change).some((key) => key.startsWith("xaxis."))) return;
    following = true;
    const range = [...source.layout.xaxis.range];
    const zoom = (chart) => Plotly.relayout(chart, { "xaxis.range": range, ...fit(chart, range) });
    Promise.all(shared.map(zoom)).finally(() => {
      following = false;
    });
  };
  for (const chart of shared) chart.on("plotly_relayout", follow(chart));

  // Paper is narrower than most windows, and a chart does not notice by itself.
  addEventListener("beforeprint", () => {
    for (const chart of charts) {
      const wide = chart.parentElement.classList.contains("wide");
      Plotly.relayout(chart, { width: wide ? 690 : 335 });
    }
  });
  addEventListener("afterprint", () => {
    for (const chart of charts) Plotly.relayout(chart, { width: null, autosize: true });
  });
})();
