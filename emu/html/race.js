"use strict";
/* Steps through the runs in #data: [the losing one, the fixed one or nothing].
 * State of a step is shown as it is after it; what differs from the step before
 * is marked by a sign, a colour and weight. */
const page = JSON.parse(document.getElementById("data").textContent);
const runs = page.runs;
const last = runs[0].steps.length - 1;
let at = 0, two = false;

function el(tag, text, cls) {
	const e = document.createElement(tag);
	if (text !== undefined) e.textContent = text;
	if (cls) e.className = cls;
	return e;
}

/* Runs of the same schedule have the same step numbers, as far as both go. */
function stepOf(run) {
	return Math.min(at, run.steps.length - 1);
}

/* What a move did: what it said, else what its CPU was about to do. */
function words(run, n) {
	const step = run.steps[n];
	if (step.notes.length) return step.notes.join("; ");
	if (step.kind !== "step" || !n) return step.kind;
	const i = run.cpus.findIndex(c => c.id === step.cpu);
	const was = run.steps[n - 1].state.cpus[i].at;
	return was.includes("next: ") ? was.replace(/^.*next: /, "") : "goes on";
}

function list(title, now, before) {
	const box = el("div"), ul = el("ul"), old = before ? before.slice() : now.slice();
	box.append(el("h3", title));
	for (const text of now) {
		const i = old.indexOf(text);
		if (i >= 0) old.splice(i, 1);
		ul.append(el("li", text, i < 0 ? "changed" : ""));
	}
	for (const text of old) ul.append(el("li", text, "gone"));
	if (!ul.children.length) ul.append(el("li", "empty", "none"));
	box.append(ul);
	return box;
}

function cpuCard(run, i, n) {
	const step = run.steps[n], now = step.state.cpus[i];
	const before = n ? run.steps[n - 1].state.cpus[i] : now;
	const moved = step.cpu === run.cpus[i].id && !step.skipped;
	const card = el("section", undefined, moved ? "card moved" : "card");
	card.append(el("h2", "CPU " + run.cpus[i].id + ": " + run.cpus[i].name));
	if (moved) {
		const lost = step.lost !== undefined;
		card.append(el("p", words(run, n) + (lost ? " (the lost store)" : ""),
			       lost ? "lost" : "changed"));
	}
	card.append(el("p", now.at, now.at === before.at ? "dim" : ""));
	card.append(list("TLB may hold, though memory changed", now.tlb, before.tlb));
	card.append(list("store buffer", now.sb, before.sb));
	card.append(list("interrupts", now.ipi, before.ipi));
	return card;
}

/* Keys that any step of the run has, so that rows do not come and go. */
function keysOf(run, what) {
	const keys = new Map();
	for (const s of run.steps)
		for (const k of Object.keys(s.state[what])) keys.set(k, true);
	return [...keys.keys()];
}

function table(run, title, what, none, n) {
	const card = el("section", undefined, "card"), t = el("table");
	const now = run.steps[n].state[what], before = n ? run.steps[n - 1].state[what] : now;
	const keys = run.keys[what] || (run.keys[what] = keysOf(run, what));
	card.append(el("h2", title));
	for (const k of keys) {
		const tr = el("tr"), v = now[k] === undefined ? none : now[k];
		const th = el("th", k);
		th.scope = "row";
		tr.append(th, el("td", v, now[k] !== before[k] ? "changed" : now[k] === undefined ? "dim" : ""));
		t.append(tr);
	}
	if (!keys.length) card.append(el("p", none, "dim"));
	card.append(t);
	return card;
}

function heading(run, isFixed) {
	const box = el("div");
	box.append(el("h2", (isFixed ? "fixed: " : "") + "row " + run.row + ", kernel " + run.kernel));
	box.append(el("p", run.commit, "dim"));
	return box;
}

/* What is to be said about this step of this run. */
function remark(run, isFixed, n) {
	const step = run.steps[n], end = n === run.steps.length - 1;
	if (step.skipped)
		return "CPU " + step.cpu + " cannot do this here: " +
			step.state.cpus[run.cpus.findIndex(c => c.id === step.cpu)].at;
	if (end && run.oracle) return run.oracle + ": " + run.text;
	if (end && run.cut) return "cut here: too long to show";
	if (end && isFixed) return "the end: nothing is lost";
	if (run.loop !== null && n === run.loop + 1) return "from here on, again and again";
	return "";
}

function eventRows(run, ri) {
	const box = el("div", undefined, "events"), t = el("table"), head = el("tr"), rows = [];
	head.append(el("th", "t"));
	for (const c of run.cpus) head.append(el("th", "CPU " + c.id + ": " + c.name));
	t.append(head);
	run.steps.forEach((s, n) => {
		if (!n) return;
		const tr = el("tr");
		tr.append(el("td", String(n)));
		for (const c of run.cpus) {
			const td = el("td");
			if (c.id === s.cpu) {
				td.textContent = s.skipped ? "(waits)" : words(run, n);
				if (s.lost !== undefined) td.className = "lost";
			}
			tr.append(td);
		}
		tr.addEventListener("click", () => go(n));
		rows[n] = tr;
		t.append(tr);
	});
	box.append(t);
	box.tabIndex = 0;
	box.setAttribute("role", "region");
	box.setAttribute("aria-label", "events of row " + run.row);
	run.rows = rows;
	run.box = box;
	return box;
}

function draw() {
	const host = document.getElementById("runs"), shown = two ? runs : runs.slice(0, 1);
	host.className = two ? "two" : "";
	host.replaceChildren();
	shown.forEach((run, ri) => {
		const n = stepOf(run), box = el("div", undefined, "run");
		const cpus = el("div", undefined, "cpus"), memory = el("div", undefined, "memory");
		const note = remark(run, ri > 0, n);
		run.keys = run.keys || {};
		box.append(heading(run, ri > 0));
		box.append(el("p", note || "\u00a0", run.oracle && n === run.steps.length - 1 ? "lost" : "dim"));
		run.cpus.forEach((c, i) => cpus.append(cpuCard(run, i, n)));
		memory.append(table(run, "page tables", "pte", "no such entry", n),
			      table(run, "frames", "frame", "not used yet", n),
			      table(run, "locks and flags", "lock", "free", n));
		box.append(cpus, memory);
		if (!run.box) eventRows(run, ri);
		box.append(run.box);
		host.append(box);
		run.rows.forEach((tr, i) => {
			tr.className = i === n ? "now" : i > n ? "later" : "";
			if (i === n) tr.setAttribute("aria-current", "step");
			else tr.removeAttribute("aria-current");
		});
		const now = run.rows[n];
		run.box.scrollTop = now ? now.offsetTop - run.box.clientHeight / 2 : 0;
	});
	const step = runs[0].steps[stepOf(runs[0])];
	document.getElementById("slider").value = at;
	document.getElementById("count").textContent = "step " + at + " of " + end();
	document.getElementById("what").textContent = at === 0
		? "The stage: nobody has moved yet."
		: at > last ? "The losing run is over; the fixed one goes on."
		: "CPU " + step.cpu + ": " + words(runs[0], stepOf(runs[0])) +
		  (step.lost !== undefined ? "  \u2716 this is the store that is lost" : "");
}

function end() {
	return two ? Math.max(...runs.map(r => r.steps.length - 1)) : last;
}

function go(n) {
	at = Math.max(0, Math.min(n, end()));
	draw();
}

function beside(on) {
	two = on && runs.length > 1;
	document.getElementById("beside").checked = two;
	document.getElementById("slider").max = end();
	go(at);
}

document.getElementById("slider").addEventListener("input", e => go(Number(e.target.value)));
document.getElementById("first").addEventListener("click", () => go(0));
document.getElementById("prev").addEventListener("click", () => go(at - 1));
document.getElementById("next").addEventListener("click", () => go(at + 1));
document.getElementById("end").addEventListener("click", () => go(end()));
document.getElementById("beside").addEventListener("change", e => beside(e.target.checked));
document.addEventListener("keydown", e => {
	if (e.altKey || e.ctrlKey || e.metaKey) return;
	const keys = { ArrowLeft: () => go(at - 1), ArrowRight: () => go(at + 1),
		       Home: () => go(0), End: () => go(end()),
		       f: () => beside(!two) };
	if (!keys[e.key]) return;
	e.preventDefault();
	keys[e.key]();
});

/* #step=12,beside: where a link or a test wants to begin. */
const want = /step=(\d+)/.exec(location.hash);
if (runs.length < 2) document.getElementById("beside-label").hidden = true;
document.getElementById("slider").max = last;
if (location.hash.includes("beside")) beside(true);
go(want ? Number(want[1]) : 0);
document.documentElement.dataset.ready = "yes";
