// Shows what the agent's API says, again and again. It asks, and changes nothing.
"use strict";

const REFRESH_MILLIS = 5000;
const SHOWN_CHECKPOINTS = 500;
const PAGE_BYTES = 4096;
const COLOURS = ["#3b6fd4", "#d4793b", "#2f9e6e", "#a04fc4", "#c43b5c", "#7d8b1f", "#1f8b9c", "#8a6d5a"];

const charts = new Map();

async function ask(path) {
  const answer = await fetch(path, { headers: { Accept: "application/json" } });
  const body = await answer.json();
  if (!answer.ok) {
    throw new Error(`${path}: ${body.error ? body.error.message : answer.status}`);
  }
  return body;
}

function seconds(value) {
  if (value < 60) {
    return `${Math.max(0, Math.round(value))} s`;
  }
  if (value < 3600) {
    return `${Math.round(value / 60)} min`;
  }
  return value < 48 * 3600 ? `${Math.round(value / 3600)} h` : `${Math.round(value / 86400)} d`;
}

function bytes(value) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let unit = 0;
  while (value >= 1024 && unit < units.length - 1) {
    value /= 1024;
    unit++;
  }
  return `${value < 10 && unit > 0 ? value.toFixed(1) : Math.round(value)} ${units[unit]}`;
}

function millis(micros) {
  const value = micros / 1000;
  return `${value < 100 ? value.toFixed(1) : Math.round(value)} ms`;
}

function clock(time, span) {
  const date = new Date(time);
  return span > 36 * 3600 * 1000 ? date.toLocaleDateString() : date.toLocaleTimeString();
}

// Guests choose their names: text is only ever put in as text.
function element(name, text, className) {
  const made = document.createElement(name);
  made.textContent = text;
  if (className) {
    made.className = className;
  }
  return made;
}

function ofGuest(guest, checkpoints) {
  return checkpoints.filter((entry) => entry.monitor === guest.monitor);
}

function guestRow(guest, checkpoints, schedules, now) {
  const own = ofGuest(guest, checkpoints);
  const last = own.at(-1);
  const state = guest.running ? (guest.trackedSince ? "tracked" : "there") : guest.state;
  const due = schedules
    .filter((schedule) => schedule.guest === guest.name)
    .map((schedule) => Date.parse(schedule.due))
    .sort((a, b) => a - b)[0];
  const row = document.createElement("tr");
  const figures = last
    ? [
        last.name || last.id.slice(0, 8),
        seconds((now - Date.parse(last.createdAt)) / 1000),
        millis(last.statistics.pauseMicros || 0),
        bytes((last.statistics.pagesWanted || 0) * PAGE_BYTES),
        String(last.chainLength),
        bytes(last.statistics.storedBytes || 0),
      ]
    : ["–", "–", "–", "–", "–", "–"];
  const next = due === undefined ? "–" : due > now ? `in ${seconds((due - now) / 1000)}` : "now";
  for (const text of [guest.name, state, ...figures, String(own.length), next]) {
    row.append(element("td", text));
  }
  row.dataset.guest = guest.name;
  return row;
}

function failureRow(guest) {
  const row = document.createElement("tr");
  const cell = element(
    "td",
    `${guest.lastFailure.kind}, ${new Date(guest.lastFailure.at).toLocaleString()}: ${guest.lastFailure.message}`,
    "bad failure",
  );
  cell.colSpan = 10;
  row.append(cell);
  return row;
}

function axis(title, span) {
  return {
    type: "linear",
    title: { display: Boolean(title), text: title },
    ticks: { maxTicksLimit: 8, callback: (value) => clock(value, span) },
  };
}

function draw(canvas, config) {
  const old = charts.get(canvas.id);
  if (old && old.canvas === canvas) {
    old.data = config.data;
    old.options.scales = config.options.scales;
    old.update("none");
  } else {
    if (old) {
      old.destroy();
    }
    charts.set(canvas.id, new Chart(canvas, config));
  }
  canvas.dataset.points = String(
    config.data.datasets.reduce((sum, dataset) => sum + dataset.data.length, 0),
  );
}

function spanOf(points) {
  return points.length < 2 ? 0 : points.at(-1).x - points[0].x;
}

function options(scales, legend) {
  return {
    animation: false,
    maintainAspectRatio: false,
    plugins: {
      legend: { display: legend },
      tooltip: { callbacks: { title: (items) => new Date(items[0].parsed.x).toLocaleString() } },
    },
    scales,
  };
}

function drawTimeline(guests, checkpoints) {
  const datasets = guests.map((guest, index) => ({
    label: guest.name,
    data: ofGuest(guest, checkpoints).map((entry) => ({ x: Date.parse(entry.createdAt), y: index })),
    backgroundColor: COLOURS[index % COLOURS.length],
    pointRadius: 4,
  }));
  const times = datasets.flatMap((dataset) => dataset.data).sort((a, b) => a.x - b.x);
  const rows = {
    min: -0.5,
    max: Math.max(0, guests.length - 1) + 0.5,
    reverse: true,
    ticks: { autoSkip: false, callback: (value) => (guests[value] ? guests[value].name : "") },
    afterBuildTicks: (scale) => {
      scale.ticks = guests.map((_, index) => ({ value: index }));
    },
  };
  draw(document.getElementById("timeline"), {
    type: "scatter",
    data: { datasets },
    options: options({ x: axis("", spanOf(times)), y: rows }, false),
  });
}

function details(guest, index) {
  const id = `guest-${index}`;
  let section = document.getElementById(id);
  if (!section || section.dataset.guest !== guest.name) {
    section = document.createElement("section");
    section.id = id;
    section.dataset.guest = guest.name;
    section.append(element("h2", guest.name));
    const pair = element("div", "", "pair");
    for (const kind of ["pause", "dirty"]) {
      const box = element("div", "", "chart");
      const canvas = document.createElement("canvas");
      canvas.id = `${kind}-${index}`;
      box.append(canvas);
      pair.append(box);
    }
    section.append(pair);
    const before = document.getElementById(id);
    if (before) {
      before.replaceWith(section);
    } else {
      document.getElementById("details").append(section);
    }
  }
}

function drawGuest(guest, index, checkpoints) {
  details(guest, index);
  const own = ofGuest(guest, checkpoints);
  const lines = [
    ["pause", "Pause [ms]", (entry) => (entry.statistics.pauseMicros || 0) / 1000],
    ["dirty", "Dirty [MiB]", (entry) => ((entry.statistics.pagesWanted || 0) * PAGE_BYTES) / 1048576],
  ];
  lines.forEach(([kind, title, value], line) => {
    const data = own.map((entry) => ({ x: Date.parse(entry.createdAt), y: value(entry) }));
    const y = { beginAtZero: true, title: { display: true, text: title } };
    draw(document.getElementById(`${kind}-${index}`), {
      type: "line",
      data: { datasets: [{ label: title, data, borderColor: COLOURS[line], borderWidth: 1.5, pointRadius: 2 }] },
      options: options({ x: axis("", spanOf(data)), y }, false),
    });
  });
}

function show(health, store, guests, listing, schedules) {
  const now = Date.now();
  document.getElementById("health").textContent =
    `store ${store.path} (${bytes(store.bytes)}, ${bytes(store.freeBytes)} free), ${health.jobsRunning} jobs running, ${health.jobsWaiting} waiting, ` +
    `agent up for ${seconds((now - Date.parse(health.startedAt)) / 1000)}`;
  const checkpoints = listing.checkpoints.slice(-SHOWN_CHECKPOINTS);
  document.getElementById("guests").replaceChildren(
    ...guests.flatMap((guest) =>
      guest.lastFailure
        ? [guestRow(guest, checkpoints, schedules, now), failureRow(guest)]
        : [guestRow(guest, checkpoints, schedules, now)],
    ),
  );
  drawTimeline(guests, checkpoints);
  const drawn = guests.filter((guest) => ofGuest(guest, checkpoints).length > 0);
  drawn.forEach((guest, index) => drawGuest(guest, index, checkpoints));
  for (let gone = drawn.length; document.getElementById(`guest-${gone}`); gone++) {
    document.getElementById(`guest-${gone}`).remove();
  }
  problem(listing.unreadable.join("; "));
}

function problem(text) {
  const place = document.getElementById("problem");
  place.textContent = text;
  place.hidden = text === "";
}

async function refresh() {
  try {
    const [health, store, guests, listing, schedules] = await Promise.all(
      ["/v1/health", "/v1/store", "/v1/guests", "/v1/checkpoints", "/v1/schedules"].map(ask),
    );
    show(health, store, guests.guests, listing, schedules.schedules);
    document.body.dataset.state = "shown";
  } catch (error) {
    problem(`The agent does not answer: ${error.message}`);
    document.body.dataset.state = "failed";
  }
  setTimeout(refresh, REFRESH_MILLIS);
}

const dark = matchMedia("(prefers-color-scheme: dark)").matches;
Chart.defaults.color = dark ? "#aab" : "#556";
Chart.defaults.borderColor = dark ? "#334" : "#e4e6ee";
refresh();
