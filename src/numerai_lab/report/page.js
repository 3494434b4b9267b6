"use strict";
(() => {
  const specs = JSON.parse(document.getElementById("charts").textContent);
  const charts = Object.keys(specs).map((id) => document.getElementById(id));
  // A finger that scrolls the page must not zoom the chart under it.
  const touch = matchMedia("(pointer: coarse)").matches;
  const config = { responsive: true, displayModeBar: false, doubleClick: "reset" };
  for (const chart of charts) {
    const { data, layout } = specs[chart.id];
    Plotly.newPlot(chart, data, { ...layout, dragmode: touch ? false : "zoom" }, config);
  }

  // All charts share the eras: zooming one zooms the others.
  let following = false;
  const follow = (source) => (change) => {
    if (following || !Object.keys(change).some((key) => key.startsWith("xaxis."))) return;
    following = true;
    const range = [...source.layout.xaxis.range];
    const others = charts.filter((chart) => chart !== source);
    Promise.all(others.map((chart) => Plotly.relayout(chart, { "xaxis.range": range }))).finally(() => {
      following = false;
    });
  };
  for (const chart of charts) chart.on("plotly_relayout", follow(chart));

  // Paper is narrower than most windows, and a chart does not notice by itself.
  addEventListener("beforeprint", () => {
    for (const chart of charts) {
      const wide = chart.offsetWidth > 0.7 * chart.closest(".charts").offsetWidth;
      Plotly.relayout(chart, { width: wide ? 690 : 335 });
    }
  });
  addEventListener("afterprint", () => {
    for (const chart of charts) Plotly.relayout(chart, { width: null, autosize: true });
  });
})();
