// The form of a load run: fields of the chosen schedule, rows of the mix, scenario files.
(function () {
  "use strict";

  const clientside = (window.dash_clientside = window.dash_clientside || {});
  const MOST_FILE_BYTES = 65536; // as much text as a callback takes (callback_requests.py)

  const say = (answer, children, isRefusal) =>
    clientside.set_props(answer, { children, className: isRefusal ? "answer refused" : "answer" });

  const label = (text, field) => {
    const outer = document.createElement("label");
    outer.append(text, field);
    return outer;
  };

  function select(choices) {
    const field = document.createElement("select");
    field.append(...choices.map((one) => new Option(one, one)));
    return field;
  }

  function input(type) {
    const field = document.createElement("input");
    field.type = "text";
    if (type === "number") field.inputMode = "decimal";
    return field;
  }

  function row(container, values, number) {
    const area = () => document.createElement("textarea");
    const fields = {
      method: ["Method", select(JSON.parse(container.dataset.methods))],
      target: ["Path and query", input()],
      weight: ["Weight", input("number")],
      body_kind: ["Kind of body", select(JSON.parse(container.dataset.bodyKinds))],
      body: ["Body", area()],
      headers: ["Header fields, one a line", area()],
      send_seconds: ["Seconds to send it, as a slow client", input("number")],
      read_seconds: ["Seconds to read its answer, as a slow client", input("number")],
    };
    if (!number) delete fields.target; // that of the form's own field
    const outer = document.createElement("fieldset");
    outer.className = "mix-row";
    const legend = document.createElement("legend");
    legend.textContent = number ? `Request ${number + 1}` : "Request 1, to the path above";
    outer.append(legend);
    for (const [name, [text, field]] of Object.entries(fields)) {
      field.dataset.name = name;
      if (name in values) field.value = values[name];
      outer.append(label(text, field));
    }
    if (number) {
      const remove = document.createElement("button");
      remove.type = "button";
      remove.className = "card-action";
      remove.dataset.mixRemove = number;
      remove.textContent = "Remove";
      remove.setAttribute("aria-label", `Remove request ${number + 1}`);
      outer.append(remove);
    }
    return outer;
  }

  const rowsOf = (container) =>
    [...container.querySelectorAll(".mix-row")].map((one) =>
      Object.fromEntries(
        [...one.querySelectorAll("[data-name]")].map((field) => [field.dataset.name, field.value]),
      ),
    );

  function draw(container, rows) {
    container.replaceChildren(...rows.map((values, number) => row(container, values, number)));
  }

  const keep = (container, rows) => clientside.set_props(container.dataset.mix, { data: { rows } });

  const containerOf = (store) => document.querySelector(`[data-mix="${store}"]`);

  document.addEventListener("input", (event) => {
    const container = event.target.closest?.("[data-mix]");
    if (container) keep(container, rowsOf(container));
  });

  document.addEventListener("click", (event) => {
    const add = event.target.closest("[data-mix-add]");
    const remove = event.target.closest("[data-mix-remove]");
    const file = event.target.closest("[data-open], [data-save], [data-clear]")?.dataset;
    if (add) {
      const container = containerOf(add.dataset.mixAdd);
      const rows = rowsOf(container);
      if (!rows.length) rows.push({ method: "GET", weight: "1" });
      rows.push({ method: "GET", target: "/", weight: "1" });
      draw(container, rows);
      keep(container, rows);
      container.lastElementChild.querySelector("select").focus();
    } else if (remove) {
      const container = remove.closest("[data-mix]");
      const rows = rowsOf(container);
      rows.splice(Number(remove.dataset.mixRemove), 1);
      draw(container, rows.length > 1 ? rows : []);
      keep(container, rows.length > 1 ? rows : []);
      // The button that had the focus is gone: from here the next Tab goes on.
      document.querySelector(`[data-mix-add="${container.dataset.mix}"]`).focus();
    } else if (file?.open) {
      open(file.open, file.answerId);
    } else if (file?.save) {
      save(file.save, file.answerId);
    } else if (file?.clear) {
      clientside.set_props(file.clear, { value: "" });
    }
  });

  function open(id, answer) {
    const chooser = document.createElement("input");
    chooser.type = "file";
    chooser.accept = ".toml";
    chooser.addEventListener("change", async () => {
      const file = chooser.files[0];
      if (file.size > MOST_FILE_BYTES) {
        const most = MOST_FILE_BYTES.toLocaleString("en");
        say(answer, `${file.name} has more than ${most} bytes: load it by the command line.`, true);
      } else {
        clientside.set_props(id, { value: await file.text() });
        say(answer, `${file.name} was read: Start sends what it says.`);
      }
    });
    chooser.click();
  }

  function save(id, answer) {
    const text = document.getElementById(id).value;
    if (!text.trim()) {
      say(answer, "There is no file yet: show the fields as one first.", true);
      return;
    }
    const link = document.createElement("a");
    link.href = URL.createObjectURL(new Blob([text], { type: "application/toml" }));
    link.download = "scenario.toml";
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 1000);
  }

  clientside.load_form = {
    shape(kind, file) {
      return `schedule-${kind}${(file || "").trim() ? " from-file" : ""}`;
    },
    show(data) {
      const container = containerOf("load-mix");
      if (container && container.children.length !== data.rows.length) draw(container, data.rows);
    },
  };
})();
