"use strict";
// Draws each chart of the page from the rows beside it. Expressions are interpreted (ast), for the page's policy lets no
// script be made from a text; nothing is loaded, and no style is put into the page.
(() => {
  const {vega, vegaLite, embed, expressionInterpreter} = globalThis.llmscen;
  // Okabe and Ito's colours, which most people tell apart, without the yellow, which white swallows.
  const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#5b5b5b", "#7b3f99"];
  const font = 'system-ui, "Segoe UI", "DejaVu Sans", sans-serif';
  const config = {
    background: null,
    font,
    range: {category: colours},
    view: {stroke: null},
    axis: {gridColor: "#e8ebee", domainColor: "#b5bcc3", tickColor: "#b5bcc3", labelColor: "#3d454c", titleColor: "#3d454c", titleFontWeight: "normal", labelFontSize: 11, labelSeparation: 8, titleFontSize: 12},
    header: {labelColor: "#1c2024", labelFontSize: 12, labelFontWeight: 600, labelLimit: 320},
    legend: {labelFontSize: 12, labelLimit: 260, orient: "top", symbolSize: 90, symbolStrokeWidth: 2},
    facet: {spacing: 22},
  };
  const charts = [...document.querySelectorAll("figure[data-chart]")].map((figure) => ({
    figure, ...JSON.parse(document.getElementById("rows-" + figure.dataset.chart).textContent),
  }));
  // A line has the same colour, dashes and shape in every chart.
  const lines = [...new Set(charts.flatMap(({rows}) => rows.map((r) => r.line)))];
  const keep = (spec) => {
    for (const [key, value] of Object.entries(spec)) {
      if (value === null || typeof value !== "object") continue;
      if (value.field === "line" && ["color", "strokeDash", "shape"].includes(key)) value.scale = {domain: lines};
      else keep(value);
    }
    return spec;
  };
  const draw = async ({figure, spec, rows}) => {
    await embed(figure.querySelector(".chart"), {...keep(spec), datasets: {rows}}, {
      mode: "vega-lite", renderer: "svg", actions: false, defaultStyle: false, tooltip: false, hover: false,
      ast: true, expr: expressionInterpreter, config, vega, vegaLite,
      loader: {load: () => Promise.reject(new Error("a report loads nothing"))},
    });
    figure.dataset.drawn = "true";
  };
  const failed = (figure, error) => {
    figure.dataset.drawn = "false";
    const p = document.createElement("p");
    p.textContent = "The chart could not be drawn (" + error.message + "); the table below holds the same.";
    figure.replaceChildren(p);
    console.error(error);
    const table = document.getElementById("table-" + figure.dataset.chart);
    if (table) table.open = true;
  };
  (async () => {
    for (const chart of charts) {
      try {
        await draw(chart);
      } catch (error) {
        failed(chart.figure, error);
      }
    }
    document.documentElement.dataset.charts = "done";
  })();
})();
