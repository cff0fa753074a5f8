"use strict";
(() => {
  const dark = matchMedia("(prefers-color-scheme: dark)");
  const canvases = [...document.querySelectorAll(".canvas")];
  const inks = (isDark) => isDark
    ? { ink: "#e6e9ed", line: "#353c45", card: "#1c2026" }
    : { ink: "#1b1f24", line: "#d9dde2", card: "#ffffff" };

  function template(isDark) {
    const { ink, line, card } = inks(isDark);
    const axis = { gridcolor: line, zerolinecolor: line, linecolor: line, automargin: true };
    return {
      layout: {
        font: { color: ink, size: 13, family: "system-ui, 'Segoe UI', 'DejaVu Sans', sans-serif" },
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        xaxis: axis,
        yaxis: axis,
        hoverlabel: { bgcolor: card, bordercolor: line, font: { color: ink } },
        modebar: { bgcolor: "rgba(0,0,0,0)", color: ink, activecolor: "#2f7fd0" },
        legend: { orientation: "h", yref: "container", yanchor: "bottom", y: 0, x: 0 },
        margin: { l: 56, r: 12, t: 34, b: 48 },
      },
    };
  }

  function draw(canvas) {
    const { data, layout } = JSON.parse(document.getElementById(canvas.dataset.figure).textContent);
    // A finger that scrolls the page must not zoom a figure.
    const dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    const whole = { ...layout, template: template(dark.matches), dragmode };
    const config = {
      responsive: true,
      displaylogo: false,
      showSendToCloud: false,  // nothing leaves this page
      plotlyServerURL: "",
      typesetMath: false,
      modeBarButtonsToRemove: ["lasso2d", "select2d"],
    };
    return Plotly.newPlot(canvas, data, whole, config);
  }

  const repaint = (isDark) =>
    canvases.forEach((canvas) => canvas.data && Plotly.relayout(canvas, { template: template(isDark) }));

  if (window.Plotly) {
    // One after the other, so that the page can be scrolled meanwhile.
    (async () => {
      for (const canvas of canvases) {
        if (!canvas.data) await draw(canvas);
        await new Promise((done) => setTimeout(done));
      }
      document.documentElement.dataset.drawn = canvases.length;
    })();
    dark.addEventListener("change", () => repaint(dark.matches));
    window.addEventListener("beforeprint", () => {
      canvases.forEach((canvas) => {
        if (!canvas.data) draw(canvas);
        Plotly.relayout(canvas, { template: template(false), width: 620, height: 330, autosize: false });
      });
    });
    window.addEventListener("afterprint", () => {
      canvases.forEach((canvas) => Plotly.relayout(canvas, { width: null, height: null, autosize: true }));
      repaint(dark.matches);
    });
  }
  // A drawing opens at its root, which lies halfway down.
  document.querySelectorAll(".drawing").forEach((drawing) => {
    drawing.scrollTop = (drawing.scrollHeight - drawing.clientHeight) / 2;
  });
  // Rules and numbers that are folded away are read on paper as well.
  window.addEventListener("beforeprint", () => {
    document.querySelectorAll("details:not([open])").forEach((one) => {
      one.open = true;
      one.dataset.printed = "";
    });
  });
  window.addEventListener("afterprint", () => {
    document.querySelectorAll("details[data-printed]").forEach((one) => {
      one.open = false;
      delete one.dataset.printed;
    });
  });
})();
